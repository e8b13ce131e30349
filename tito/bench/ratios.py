"""From the times of the rounds to one line: ratios, median, spread, and whether the target is met."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any


@dataclass(frozen=True)
class Summary:
    """`low` and `high` bound the middle half of the ratios."""

    median: float
    low: float
    high: float
    rounds: int


def compare(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, Any]:
    """Of the same rounds of both: the ratio of each, and of the best times, which neighbours disturb least."""
    return {"ratios": [a / b for a, b in zip(ours, theirs, strict=True)], "best": min(ours) / min(theirs)}


def summarise(ratios: Sequence[float]) -> Summary:
    """The summary of at least one ratio."""
    if not ratios:
        raise ValueError("summarise: expected at least one ratio, found none: measure one round or more")
    low, _, high = quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else [ratios[0]] * 3
    return Summary(median(ratios), low, high, len(ratios))


def verdict(summary: Summary, target: float) -> str:
    """"met" if the median is not above the target, "open" if the target lies in the middle half, else "missed"."""
    if summary.median <= target:
        return "met"
    return "open" if summary.low <= target else "missed"
