"""The lock that keeps a run's folder to one process at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from srlab.files import locked
from srlab.mistakes import BusyFile

LOCK = ".lock"


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a run's folder; raise a `BusyFile` if another process does.

    The folder is free again when this process ends, in whatever way.
    """
    with (folder / LOCK).open("w") as file:
        if not locked(file.fileno()):
            raise _busy(folder)
        yield


def refuse_held(folder: Path) -> None:
    """Raise a `BusyFile` if another process holds a run's folder."""
    if is_held(folder):
        raise _busy(folder)


def _busy(folder: Path) -> BusyFile:
    return BusyFile(
        f"{folder} is in use: another process trains there. Wait until it ends, or choose another "
        "run."
    )


def is_held(folder: Path) -> bool:
    """Whether another process holds a run's folder."""
    if not (folder / LOCK).is_file():
        return False
    with (folder / LOCK).open("r+") as file:
        return not locked(file.fileno())
