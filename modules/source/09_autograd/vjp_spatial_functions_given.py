"""Gradient rules of what module 06 has beside the taught operations: RMS normalisation and resampling."""

from __future__ import annotations

from typing import Any

from tinytorch.core.engine import VJPS, Rule, primitive


def _rms_norm(g: Any, saved: Any, **settings: Any) -> tuple:
    return primitive("rms_norm_grad")(g, saved.x, saved.weight, saved.rstd, **settings)


def _resample(g: Any, saved: Any, *, dim: int, **settings: Any) -> Any:
    return primitive("resample_grad")(g, dim=dim, length=saved.shape("x")[dim], **settings)


VJPS["rms_norm"] = Rule(joint=_rms_norm, saves=("x", "weight", "rstd"))
VJPS["resample"] = Rule(_resample)
VJPS["resample_grad"] = Rule(lambda h, s, length, **settings: primitive("resample")(h, **settings))
