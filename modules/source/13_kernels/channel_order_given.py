"""Images from channels-first to channels-last order, and how the kernels look at them.

A batch that comes from a loader lies channel after channel; the kernels want the channels of a pixel together. NumPy
copies such a view in runs of the innermost axis, of three numbers for photographs. Here each channel is one long loop
without a test in it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from tinytorch.given.compiling import threaded
from tinytorch.given.threads import get_num_threads

FEW = 4     # with more channels NumPy's runs are long enough


@threaded
def interleave(x, out, threads):
    """out[image, pixel, channel] = x[image, channel, pixel]."""
    images, channels, pixels = x.shape
    for thread in prange(threads):
        for image in range(thread * images // threads, (thread + 1) * images // threads):
            for c in range(channels):
                source, target = x[image, c], out[image, :, c]
                for pixel in range(pixels):
                    target[pixel] = source[pixel]


def pixels_of(x: Any) -> Any:
    """Return images (N, C, H, W) as a flat channels-last array, without a copy if they lie so already."""
    n, channels, height, width = x.shape
    if 1 < channels <= FEW and x.flags.c_contiguous and x.dtype == np.float32:
        out = np.empty((n, height * width, channels), np.float32)
        interleave(x.reshape(n, channels, -1), out, get_num_threads())
        return out.reshape(-1)
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)).reshape(-1)


def images_from(flat: Any, n: int, height: int, width: int, channels: int) -> Any:
    """Return a flat channels-last array as images (N, C, H, W)."""
    return flat.reshape(n, height, width, channels).transpose(0, 3, 1, 2)
