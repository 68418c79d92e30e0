"""Memory allocation: freed memory stays with the process for the next tile or batch."""

from __future__ import annotations

import ctypes
from contextlib import suppress

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # the parameters' numbers in glibc's malloc.h
_GIBIBYTE, _LARGEST = 1 << 30, 2**31 - 1


def keep_freed_memory() -> str:
    """Make glibc keep freed memory, and return a description of the allocation in force.

    By default glibc returns every large tensor to the kernel at once, which must clear the pages
    again for the next one. That took a third of the time of a tile. With another C library nothing
    changes.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return "default"
    kept = mallopt(_MMAP_THRESHOLD, _GIBIBYTE) and mallopt(_TRIM_THRESHOLD, _LARGEST)
    return "glibc, freed memory kept" if kept else "default"


def return_freed_memory() -> None:
    """Return what is free to the system, before tensors of other sizes than before are wanted.

    These seldom fit into what smaller ones left, and the process would grow.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
