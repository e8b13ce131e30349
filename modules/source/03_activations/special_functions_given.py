"""The error function, which NumPy lacks: SciPy's on arrays of the CPU, CuPy's on those of a GPU.

It is needed by exact GELU, and by GELU's gradient; so it is a primitive as well.
"""

from importlib import import_module
from typing import Any

import numpy as np

from tinytorch.core.engine import Primitive
from tinytorch.given.tensor_functions import function_of

#| face tinytorch: error_function as erf, complement as erfc, inverse as erfinv


def erf(xp: Any, x: Any) -> Any:
    """Return the error function 2/√π ∫₀ˣ e^(-t²) dt of a floating array, in its own dtype. -1 and 1 at the infinities.

    xp: the array namespace. The library is imported at first use: it takes longer to load than TinyTorch does.
    """
    return xp.asarray(_special(xp).erf(x), dtype=x.dtype)


def _special(xp: Any) -> Any:
    return import_module("scipy.special" if xp is np else "cupyx.scipy.special")


def erf_kernel(xp: Any, x: Any) -> Any:
    """Return erf(x), element by element."""
    return erf(xp, x)


def erfc_kernel(xp: Any, x: Any) -> Any:
    """Return 1 - erf(x), element by element, exact where erf is near 1."""
    return xp.asarray(_special(xp).erfc(x), dtype=x.dtype)


def erfinv_kernel(xp: Any, x: Any) -> Any:
    """Return the inverse of erf, element by element: infinite at -1 and 1, NaN outside."""
    return xp.asarray(_special(xp).erfinv(x), dtype=x.dtype)


ERF = Primitive("erf", erf_kernel, promote="float")
ERFC = Primitive("erfc", erfc_kernel, promote="float")
ERFINV = Primitive("erfinv", erfinv_kernel, promote="float")
error_function, complement, inverse = function_of("erf"), function_of("erfc"), function_of("erfinv")
