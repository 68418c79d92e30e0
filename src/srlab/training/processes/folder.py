"""The lock by which only one process at a time uses a run's folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from srlab.files import locked
from srlab.mistakes import BusyFile

LOCK = ".lock"


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Lock a run's folder, or raise a `BusyFile` if another process has locked it.

    The lock is released when this process ends, even if it is killed.
    """
    with (folder / LOCK).open("w") as file:
        if not locked(file.fileno()):
            raise _busy(folder)
        yield


def refuse_held(folder: Path) -> None:
    """Raise a `BusyFile` if another process has locked a run's folder."""
    if is_held(folder):
        raise _busy(folder)


def _busy(folder: Path) -> BusyFile:
    return BusyFile(
        f"{folder} is in use: another process trains there. Wait until that process ends, or "
        "choose another run."
    )


def is_held(folder: Path) -> bool:
    """Return whether another process has locked a run's folder."""
    if not (folder / LOCK).is_file():
        return False
    with (folder / LOCK).open("r+") as file:
        return not locked(file.fileno())
