"""What load_state_dict says when names or shapes do not fit, and when they do."""

from __future__ import annotations

from typing import Any, NamedTuple

from tinytorch.core.engine import TinyTorchError

SHOWN = 5     # names listed in a message


class IncompatibleKeys(NamedTuple):
    """What load_state_dict(strict=False) could not match."""

    missing_keys: list[str]
    unexpected_keys: list[str]


def nearest(name: str, names: list[str]) -> str | None:
    """Return the one of `names` that `name` was probably meant to be: one that ends alike, or is spelt alike."""
    from difflib import get_close_matches

    tail = next((other for other in names if name.endswith(f".{other}") or other.endswith(f".{name}")), None)
    return tail or next(iter(get_close_matches(name, names, 1, 0.7)), None)


def _with_nearest(unexpected: list[str], missing: list[str]) -> list[str]:
    """Return the unexpected names, each with the missing one that it resembles."""
    shown = []
    for name in unexpected[:SHOWN]:
        meant = nearest(name, missing)
        shown.append(f"{name}, meant as {meant}?" if meant else name)
    return shown + unexpected[SHOWN:]


def refuse_state(module: Any, missing: list[str], unexpected: list[str], misfits: list[str], strict: bool) -> None:
    """Raise the one error of a state_dict that does not fit: every difference, and what to do."""
    unexpected = _with_nearest(unexpected, missing)
    parts = []
    for names, what in ((missing, "missing"), (unexpected, "unexpected"), (misfits, "not fitting")):
        if names:
            shown = ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
            parts.append(f"{len(names)} {what} ({shown})")
    advice = "Pass strict=False to load what fits." if strict and not misfits else "Was it saved from another model?"
    raise TinyTorchError(
        f"{type(module).__name__}.load_state_dict: expected exactly the names and shapes of this module, found "
        f"{'; '.join(parts)}. Nothing was changed. {advice}"
    )
