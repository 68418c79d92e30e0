"""The rules for paths that all formats share: what is opened exists, what is written appears whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from srlab.mistakes import ExistingFile, ForbiddenFile, MissingFile, Mistake, MistakenFolder

PathLike = str | os.PathLike[str]


def existing_file(path: PathLike) -> Path:
    """Return the absolute path of a file, or raise a ``FileNotFoundError`` or an ``IsADirectoryError``."""
    # absolute, since GDAL takes a relative "s3:x.tif" or "GTIFF_RAW:x.tif" for something other than a file name
    file = Path(os.path.expanduser(path)).absolute()
    if file.is_dir():
        raise MistakenFolder(
            f"{path} is a folder, and a file is wanted: name one of the files in it."
        )
    if not file.exists():
        raise MissingFile(f"{path} does not exist: check the spelling and the folder.")
    return file


def new_file(path: PathLike, *, overwrite: bool, source: Path) -> Path:
    """Return the absolute path of a file to be written from `source`; refuse one that must not or cannot be.

    Raises
    ------
    FileExistsError
        Where the file is there already and `overwrite` is false.
    FileNotFoundError, IsADirectoryError, PermissionError
        Where its folder is missing, it is itself a folder, or the folder may not be written to.
    ValueError
        Where it is `source` itself.
    """
    file = Path(os.path.expanduser(path)).absolute()
    if file.is_dir():
        raise MistakenFolder(f"{path} is a folder, and the name of a file to write is wanted.")
    if not file.parent.is_dir():
        raise MissingFile(
            f"the folder {file.parent} does not exist: make it first, or write elsewhere."
        )
    if not os.access(file.parent, os.W_OK):
        raise ForbiddenFile(f"the folder {file.parent} may not be written to: write elsewhere.")
    if file.exists():
        if file.samefile(source):
            raise Mistake(f"{path} is the input itself: give the output another name.")
        if not overwrite:
            raise ExistingFile(
                f"{path} exists: give another name, or overwrite=true to replace it."
            )
    return file


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Give a hidden name beside `path` for a new file, which takes its place once it is whole, and goes if it fails."""
    unfinished = path.with_name(f".{path.name}.partial")
    try:
        yield unfinished
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def partial_file(file: Path, suffix: str | None = None) -> Path:
    """Return the hidden name beside `file` under which it is written until it is whole."""
    return file.with_name(f".{file.stem}.partial{suffix or file.suffix}")


def remove_partial(partial: Path) -> None:
    """Remove an unfinished file and what GDAL may have put beside it."""
    for sidecar in ("", ".aux.xml", ".msk", ".ovr"):
        partial.with_name(partial.name + sidecar).unlink(missing_ok=True)
