"""Keeps freed memory in the process, so that a step does not ask the kernel for the same pages again and again."""

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # malloc.h
_LARGEST_TRIM, _LARGEST_MMAP = 2**31 - 1, 32 * 2**20  # the largest that glibc takes


def keep_freed_memory() -> bool:
    """Tell glibc's malloc to give freed blocks below 32 MiB back to this process, not to the kernel.

    Otherwise every step of a ConvNet faults in some 2,000 pages that the step before had just returned, a fifth of its
    time on a CPU; whether it does so to a small model depends on the heap's layout, and so differs from run to run.
    The peak of the memory stays what it was.

    Returns:
        Whether there was such a malloc: it is Linux's, and not that of musl or of a preloaded library.

    Source: mallopt(3), M_TRIM_THRESHOLD and M_MMAP_THRESHOLD.
    """
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_TRIM_THRESHOLD, _LARGEST_TRIM)) and bool(mallopt(_MMAP_THRESHOLD, _LARGEST_MMAP))
