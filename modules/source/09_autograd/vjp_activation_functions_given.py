"""Gradient rules of the further activations of module 03 (`activation_functions_given.py`).

At a corner the slope is that of PyTorch: the left one of ELU, 0 at both ends of hardtanh.
"""

from __future__ import annotations

import math
from typing import Any

from tinytorch.core.engine import VJPS, Rule, primitive


def _elu(g: Any, saved: Any, *, alpha: float, scale: float, input_scale: float) -> Any:
    """scale on the right, scale·alpha·input_scale·e^(input_scale·x) on the left."""
    left = (saved.x.clamp(max=0.0) * input_scale).exp() * (scale * alpha * input_scale)
    return g * primitive("where")(saved.x <= 0, left, scale)


def _hardtanh(g: Any, saved: Any, *, min_val: float, max_val: float) -> Any:
    return primitive("where")((saved.x <= min_val) | (saved.x >= max_val), 0.0, g)


def _softplus(g: Any, saved: Any, *, beta: float = 1.0, threshold: float = math.inf) -> Any:
    slope = primitive("sigmoid")(saved.x * beta)
    if threshold != math.inf:
        slope = primitive("where")(saved.x * beta > threshold, 1.0, slope)
    return g * slope


VJPS["elu"] = Rule(_elu, saves=("x",))
VJPS["hardtanh"] = Rule(_hardtanh, saves=("x",))
VJPS["softplus"] = Rule(_softplus, saves=("x",))
