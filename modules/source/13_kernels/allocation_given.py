"""Memory that is freed stays with the process, ready for the next array.

The C library hands a large block back to the system when it is freed, and asks for a new one the next time; each page
of the new one costs an interrupt and is filled with zeros first. A training step frees and takes the same hundreds of
megabytes again and again: keeping them saves more time than many a kernel takes. Memory use does not grow by it, except
that what was once needed is kept to the end.
"""

from __future__ import annotations

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3      # mallopt(3)
LARGEST_MAPS = 1 << 30, 1 << 25                  # blocks below this size are kept; an old glibc takes the second


def keep_freed_memory() -> None:
    """Tell the allocator to keep what is freed. With other C libraries than glibc nothing is done."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if _is_glibc() else None
    if mallopt is not None and any(mallopt(M_MMAP_THRESHOLD, size) for size in LARGEST_MAPS):
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def _is_glibc() -> bool:
    import platform

    return platform.libc_ver()[0] == "glibc"
