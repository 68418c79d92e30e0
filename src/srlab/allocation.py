"""Memory that is freed stays with the process, ready for the next tile or batch."""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # the parameters' numbers in glibc's malloc.h
_GIBIBYTE, _LARGEST = 1 << 30, 2**31 - 1


def keep_freed_memory() -> str:
    """Have glibc keep what is freed, and return how memory is allocated from now on.

    By default glibc gives every large tensor back to the kernel at once, which must clear its pages
    again for the next one. That took a third of the time of a tile. With another C library nothing
    changes.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return "default"
    kept = mallopt(_MMAP_THRESHOLD, _GIBIBYTE) and mallopt(_TRIM_THRESHOLD, _LARGEST)
    return "glibc, freed memory kept" if kept else "default"
