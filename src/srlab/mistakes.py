"""Mistakes: errors that are the user's to mend.

A command prints the one line of a `Mistake` and exits with 1. Any other error is a bug, of ours or
of somebody else's, and shows its traceback.
"""

from __future__ import annotations

from collections.abc import Sequence


class Mistake(ValueError):
    """Says in one line what was got, what was wanted and what to do next."""


class MissingFile(Mistake, FileNotFoundError):
    """Says that a file or folder is not there."""


class ExistingFile(Mistake, FileExistsError):
    """Says that a file is there already and would be lost."""


class MistakenFolder(Mistake, IsADirectoryError):
    """Says that a folder was named where a file is wanted."""


class MissingBand(Mistake):
    """Says that a file lacks a band."""


class SeveralImages(Mistake):
    """Says that a file holds several images, of which one is to be chosen by one of `names`."""

    def __init__(self, message: str, names: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.names = tuple(names)


class UnfitFile(Mistake):
    """Says that one file of many has not the size that is needed."""


class ForbiddenFile(Mistake, PermissionError):
    """Says that a file or folder may not be written to."""


class BusyFile(Mistake, BlockingIOError):
    """Says that another process uses a file or folder."""


class FailedWrite(Mistake, OSError):
    """Says that a file could not be written whole, for example on a full disk."""


class MissingPackage(Mistake, ModuleNotFoundError):
    """Says which package is to be installed."""


class Diverged(Mistake, FloatingPointError):
    """Says that training went out of bounds, and what may help."""
