"""The error function, which NumPy lacks: SciPy's on arrays of the CPU, CuPy's on those of a GPU.

It is needed by exact GELU, and by GELU's gradient; so it is a primitive as well.
"""

from importlib import import_module
from typing import Any

import numpy as np

from tinytorch.core.engine import Primitive


def erf(xp: Any, x: Any) -> Any:
    """Return the error function 2/√π ∫₀ˣ e^(-t²) dt of a floating array, in its own dtype. -1 and 1 at the infinities.

    xp: the array namespace. The library is imported at first use: it takes longer to load than TinyTorch does.
    """
    special = import_module("scipy.special" if xp is np else "cupyx.scipy.special")
    return xp.asarray(special.erf(x), dtype=x.dtype)


def erf_kernel(xp: Any, x: Any) -> Any:
    """Return erf(x), element by element."""
    return erf(xp, x)


ERF = Primitive("erf", erf_kernel, promote="float")
