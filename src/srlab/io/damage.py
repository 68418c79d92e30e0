"""Damaged files: the errors that libraries raise over them, turned into one line for the user."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from xml.etree.ElementTree import ParseError

from srlab.axes import Window
from srlab.mistakes import Mistake

COPY_AGAIN = "Copy it again from its source, or export it anew."
"""What to do about a file that is truncated or damaged."""

CHECK_ENDING = "Check that its ending is right; if it is, copy the file again from its source."
"""What to do about a file that is of another format, or damaged at its beginning."""

CHECK_STORE = (
    "Check that the folder is whole and its codecs are among those of zarr; if not, export it anew."
)
"""What to do about a folder that zarr cannot open."""

DAMAGE: tuple[type[Exception], ...] = (
    *(OSError, EOFError, ValueError, TypeError, LookupError, AttributeError, AssertionError),
    *(ArithmeticError, RuntimeError, MemoryError, ImportError),
    *(struct.error, zlib.error, ParseError),
)
"""The errors that libraries raise where the bytes of a file are not what they expect.

`MemoryError` is raised for an absurd size in a header, and `ImportError` for a missing codec.
"""

MOST_BLOCK = 2**29
"""The largest block, strip, tile or chunk in bytes; a single pixel needs all of its block."""

DENSEST = 1032
"""The largest ratio of deflate compression (RFC 1951: two bits can stand for 258 bytes)."""


@contextmanager
def damage_as_mistake(
    failure: str, *further: type[Exception], advice: str = COPY_AGAIN
) -> Iterator[None]:
    """Turn the errors in `DAMAGE`, and `further` ones, into a `Mistake`.

    Its message is `failure`, followed by the reason in brackets and by `advice`.
    """
    try:
        yield
    except Mistake:
        raise
    except (*DAMAGE, *further) as problem:
        raise Mistake(f"{failure} ({_reason(problem)}). {advice}") from problem


def damaged(path: object, how: str) -> Mistake:
    """Return the `Mistake` of a file that is truncated or damaged; `how` says where that shows."""
    return Mistake(f"{path} is truncated or damaged: {how}. {COPY_AGAIN}")


def empty(path: object, sizes: Sequence[int]) -> Mistake:
    """Return the `Mistake` of a file without pixels; `sizes` are those of its axes."""
    listed = " x ".join(map(str, sizes)) or "nothing"
    return Mistake(f"{path} is empty: its header says {listed}. {COPY_AGAIN}")


def unreadable(path: object, window: Window) -> str:
    """Return what a `Mistake` says of a damaged file of which a window cannot be read."""
    spans = ", ".join(f"{span.start} to {span.stop}" for span in window)
    return f"{path} cannot be read at {spans}: truncated or damaged"


def check_block_size(path: object, sides: Sequence[int], itemsize: int, advice: str) -> None:
    """Raise a `Mistake`, with `advice`, if a block is larger than `MOST_BLOCK` bytes.

    `sides` are the entries along each axis of the block, and `itemsize` is the bytes of each.
    """
    size = prod(sides) * itemsize
    if size > MOST_BLOCK:
        listed = " x ".join(map(str, sides))
        raise Mistake(
            f"{path} is stored in blocks of {listed}, and each takes {size / 2**20:.0f} MiB of "
            f"memory to read, above {MOST_BLOCK / 2**20:.0f}: {advice}."
        )


def _reason(problem: Exception) -> str:
    """Return the message of an error on one line, with the error's type if it says little."""
    message = " ".join(str(problem).split()).rstrip(".")
    terse = isinstance(problem, LookupError | AssertionError | ArithmeticError | MemoryError)
    if terse or not message:
        return f"{type(problem).__name__} {message}".strip()
    return message
