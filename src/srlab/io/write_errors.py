"""Errors of the disk while an output is written, as one line for the user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from srlab.mistakes import FailedWrite, Mistake


@contextmanager
def write_errors_as_mistake(output: Path) -> Iterator[None]:
    """Turn an `OSError`, such as that of a full disk, into a `FailedWrite` that names `output`."""
    try:
        yield
    except Mistake:  # it names the output already
        raise
    except OSError as error:
        raise FailedWrite(f"{output} cannot be written: {error.strerror}.") from error
