"""What many rows share: special numbers, the usual dtype rules, and NumPy functions without their warnings."""

from collections.abc import Callable
from typing import Any

import numpy as np

INF, NAN = float("inf"), float("nan")

# dtype of the inputs -> dtype of the result
FLOATING = {"float16": "float16", "uint8": "float32", "int64": "float32", "bool": "float32"}
SAME = {"float16": "float16", "uint8": "uint8", "int32": "int32", "int64": "int64"}
COUNTING = {"float16": "float16", "uint8": "int64", "int32": "int64", "int64": "int64", "bool": "int64"}
ONLY_FLOATS = {"float16": "float16"}


def quiet(function: Callable) -> Callable:
    """Return the function, silent about division by zero, overflow and what is no number."""

    def reference(*arrays: Any, **settings: Any) -> Any:
        with np.errstate(all="ignore"):
            return function(*arrays, **settings)

    return reference
