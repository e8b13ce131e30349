"""What the rules of where a kernel may run are made of: questions about arrays, answered in less than a microsecond."""

from __future__ import annotations

from typing import Any

import numpy as np


def float32(*arrays: Any) -> bool:
    """Return whether each is a float32 array with numbers in it, or None."""
    return all(a is None or (getattr(a, "dtype", None) == np.float32 and a.size > 0) for a in arrays)


def of_shape(shape: tuple, *arrays: Any) -> bool:
    """Return whether each has this shape, or is None."""
    return all(a is None or a.shape == shape for a in arrays)


def row_major(*arrays: Any) -> bool:
    """Return whether the numbers of each lie without gaps in the order of their indices, or it is None."""
    return all(a is None or a.flags.c_contiguous for a in arrays)
