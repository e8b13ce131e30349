"""Rotary positions: each pair of features is a hand that turns with the position; a product sees the distance alone.

Su et al., "RoFormer: Enhanced transformer with rotary position embedding", 2021.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.core.engine import DTypeError, ShapeError
from tinytorch.core.layers import Module
from tinytorch.core.tensor import cat, from_array
from tinytorch.given.arguments import expect_tensor
from tinytorch.given.settings import number, whole

#| face nn: RotaryPositions


class RotaryPositions(Module):
    """Turns queries or keys (…, L, head_dim) by their positions.

    Feature i and feature i + head_dim/2 are the two coordinates of a hand; at position t it is turned by the angle
    t / base^(2i / head_dim). So the product of a turned query with a turned key depends on the distance between them,
    not on where they stand. max_length: positions that there are. Nothing is learned.
    """

    def __init__(self, head_dim: int, max_length: int, base: float = 10000.0):
        super().__init__()
        self.head_dim = whole(head_dim, "RotaryPositions's head_dim", 2)
        self.max_length = whole(max_length, "RotaryPositions's max_length", 1)
        if self.head_dim % 2:
            raise ShapeError(f"RotaryPositions: expected an even head_dim, found {head_dim}: features turn in pairs.")
        self.base = number(base, "RotaryPositions's base", 1)
        rates = self.base ** (-np.arange(0, self.head_dim, 2) / self.head_dim)
        angles = np.arange(self.max_length)[:, None] * rates
        self.register_buffer("cos", from_array(np.cos(angles).astype("float32")), persistent=False)
        self.register_buffer("sin", from_array(np.sin(angles).astype("float32")), persistent=False)

    def forward(self, x: Any, start: int = 0) -> Any:
        """Return x turned; its first position is `start`."""
        start = whole(start, "RotaryPositions's start")
        expect_tensor(x, "RotaryPositions")
        if x.ndim < 2 or x.shape[-1] != self.head_dim or start + x.shape[-2] > self.max_length:
            raise ShapeError(
                f"RotaryPositions: expected (…, length, {self.head_dim}) of at most {self.max_length} positions, found "
                f"{x.shape} from position {start} on."
            )
        if x.dtype.kind != "f":
            raise DTypeError(f"RotaryPositions: expected floating queries or keys, found {x.dtype}.")
        places = slice(start, start + x.shape[-2])
        cos, sin = self.cos[places].to(x.dtype), self.sin[places].to(x.dtype)
        half = self.head_dim // 2
        first, second = x[..., :half], x[..., half:]
        return cat([first * cos - second * sin, first * sin + second * cos], dim=-1)

    def extra_repr(self) -> str:
        """Return the settings, for `print(model)`."""
        return f"head_dim={self.head_dim}, max_length={self.max_length}, base={self.base:g}"
