"""Mistakes: errors that the user can correct.

A command prints the one line of a `Mistake` and exits with 1. Any other exception is a bug, in
srlab or in other code, and shows its traceback.
"""

from __future__ import annotations

from collections.abc import Sequence


class Mistake(ValueError):
    """The user's input is wrong; one line says what was got, what was wanted and what to do."""


class MissingFile(Mistake, FileNotFoundError):
    """A file or folder does not exist."""


class ExistingFile(Mistake, FileExistsError):
    """A file exists already and would be overwritten."""


class MistakenFolder(Mistake, IsADirectoryError):
    """A folder was given instead of a file, or a file instead of a folder."""


class MissingBand(Mistake):
    """A file lacks a band."""


class SeveralImages(Mistake):
    """Says that a file holds several images, of which one is to be chosen by one of `names`."""

    def __init__(self, message: str, names: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.names = tuple(names)


class UnfitFile(Mistake):
    """One file of many does not have the size that is needed."""


class ForbiddenFile(Mistake, PermissionError):
    """A file or folder may not be written to."""


class BusyFile(Mistake, BlockingIOError):
    """Another process uses a file or folder."""


class FailedWrite(Mistake, OSError):
    """A file could not be written completely, for example because the disk is full."""


class MissingPackage(Mistake, ModuleNotFoundError):
    """A package must be installed first."""


class Diverged(Mistake, FloatingPointError):
    """Training diverged: losses or gradients are too large or not finite."""
