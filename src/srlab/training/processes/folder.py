"""The lock that keeps a run's folder to one process at a time."""

from __future__ import annotations

import fcntl
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from srlab.mistakes import BusyFile

log = logging.getLogger(__name__)

LOCK = ".lock"


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a run's folder; raise a `BusyFile` if another process does.

    The folder is free again when this process ends, in whatever way.
    """
    with (folder / LOCK).open("w") as file:
        if not _lock(file.fileno()):
            raise BusyFile(
                f"{folder} is in use: another process trains there. Wait until it ends, or choose "
                "another run."
            )
        yield


def is_held(folder: Path) -> bool:
    """Whether another process holds a run's folder."""
    if not (folder / LOCK).is_file():
        return False
    with (folder / LOCK).open("r+") as file:
        return not _lock(file.fileno())


def _lock(descriptor: int) -> bool:
    """Take a POSIX record lock, and return whether nobody else has it.

    Loader workers do not inherit such a lock, and networked file systems know it.
    """
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # POSIX allows either
        return False
    except OSError as error:
        log.warning(
            "this file system knows no locks (%s): see to it yourself that one process trains here",
            error,
        )
    return True
