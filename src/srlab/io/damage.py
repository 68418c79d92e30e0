"""Damaged files: what libraries raise over them, told in one line."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from xml.etree.ElementTree import ParseError

from srlab.mistakes import Mistake

DAMAGE: tuple[type[Exception], ...] = (
    *(OSError, EOFError, ValueError, TypeError, LookupError, AttributeError, AssertionError),
    *(ArithmeticError, RuntimeError, MemoryError, ImportError),
    *(struct.error, zlib.error, ParseError),
)
"""What libraries raise where the bytes of a file are not what they expect.

A claimed size that no memory holds is among them, and a codec that a library lacks.
"""

MOST_BLOCK = 2**29
"""Bytes of one block, strip, tile or chunk of a file, which is read whole for a pixel of it."""

DENSEST = 1032
"""Bytes that a deflated byte can stand for (RFC 1951: a match of 258 in two bits)."""


@contextmanager
def damage_told(failure: str, *further: type[Exception]) -> Iterator[None]:
    """Make `DAMAGE`, and `further` errors of a library, a `Mistake` of one line.

    The line is `failure`, then the reason in brackets.
    """
    try:
        yield
    except Mistake:
        raise
    except (*DAMAGE, *further) as problem:
        raise Mistake(f"{failure} ({_reason(problem)}).") from problem


def check_block_size(path: object, sides: Sequence[int], itemsize: int, advice: str) -> None:
    """Raise a `Mistake` if a block of these `sides` is larger than `MOST_BLOCK`.

    An `itemsize` is the bytes of one value, or of all values of one pixel. The `advice` says what
    to do about it.
    """
    size = prod(sides) * itemsize
    if size > MOST_BLOCK:
        listed = " x ".join(map(str, sides))
        raise Mistake(
            f"{path} is stored in blocks of {listed}, and each takes {size / 2**20:.0f} MiB of "
            f"memory to read, above {MOST_BLOCK / 2**20:.0f}: {advice}."
        )


def _reason(problem: Exception) -> str:
    """Return the words of an error on one line, after its type where they say little alone."""
    words = " ".join(str(problem).split()).rstrip(".")
    terse = isinstance(problem, LookupError | AssertionError | ArithmeticError | MemoryError)
    if terse or not words:
        return f"{type(problem).__name__} {words}".strip()
    return words
