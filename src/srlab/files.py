"""The rules for paths that all formats share.

What is opened exists; what is written appears whole or not at all.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from srlab.mistakes import ExistingFile, ForbiddenFile, MissingFile, Mistake, MistakenFolder

PathLike = str | os.PathLike[str]


def existing_file(path: PathLike) -> Path:
    """Return the absolute path of a file; a `Mistake` if there is none or it is a folder."""
    file = _absolute(path)
    if file.is_dir():
        raise MistakenFolder(
            f"{path} is a folder, and a file is wanted: name one of the files in it."
        )
    if not file.exists():
        raise MissingFile(f"{path} does not exist: check the spelling and the folder.")
    return file


def new_file(
    path: PathLike, *, overwrite: bool, source: PathLike | None = None, folder: bool = False
) -> Path:
    """Return the absolute path of a file that is to be written.

    `source` is the file that it is made from. With `folder` it is to be a folder of files.

    Raises
    ------
    ExistingFile
        Where the file is there already and `overwrite` is false.
    MissingFile, MistakenFolder, ForbiddenFile
        Where its folder is missing, it is itself a folder, or its folder may not be written to.
    Mistake
        Where it is `source` itself.
    """
    file = _absolute(path)
    if file.is_dir() and not folder:
        raise MistakenFolder(f"{path} is a folder, and the name of a file to write is wanted.")
    if not file.parent.is_dir():
        raise MissingFile(
            f"the folder {file.parent} does not exist: make it first, or write elsewhere."
        )
    if not os.access(file.parent, os.W_OK):
        raise ForbiddenFile(f"the folder {file.parent} may not be written to: write elsewhere.")
    if not file.exists():
        return file
    if source is not None and file.samefile(_absolute(source)):
        raise Mistake(f"{path} is the input itself: give the output another name.")
    if not overwrite:
        raise ExistingFile(f"{path} exists: give another name, or overwrite=true to replace it.")
    return file


@contextmanager
def replaced(path: Path, *, suffix: str = "") -> Iterator[Path]:
    """Give a hidden name beside `path` for a new file, which ends in `suffix`.

    The file takes the place of `path` once it is whole, and is removed if it fails.
    """
    unfinished = path.with_name(f".{path.name}.partial{suffix}")
    unfinished.unlink(missing_ok=True)  # of a run that was killed
    try:
        yield unfinished
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def _absolute(path: PathLike) -> Path:
    # GDAL takes a relative "s3:x.tif" or "GTIFF_RAW:x.tif" for something other than a file name.
    return Path(os.path.expanduser(path)).absolute()
