"""The rules for paths that all formats share.

What is opened exists; what is written appears whole or not at all.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from srlab.mistakes import (
    BusyFile,
    ExistingFile,
    ForbiddenFile,
    MissingFile,
    Mistake,
    MistakenFolder,
)

log = logging.getLogger(__name__)

PathLike = str | os.PathLike[str]

REMOTE = re.compile(r"/vsi\w+/|[A-Za-z][\w+.-]+://|[A-Z][A-Z0-9_]+:")
"""The beginnings of GDAL's names: virtual file systems, URLs, and drivers such as ``NETCDF:``."""


def is_remote(path: PathLike) -> bool:
    """Whether a name is for GDAL to resolve, and no file of that name is there.

    It may be a file in an archive (``/vsizip/a.zip/b.tif``), a URL (``https://…``, ``s3://…``), or
    a part of a file (``NETCDF:"a.nc":temperature``).
    """
    return REMOTE.match(os.fspath(path)) is not None and not _absolute(path).exists()


def file_and_image(path: PathLike) -> tuple[str, str]:
    """Return the file that a name is of, and the image that it chooses there.

    ``a.lif#cell`` chooses ``cell`` in ``a.lif``, and ``a.lif`` nothing, which is an empty text. The
    longest beginning that exists is the file, since a file's own name may hold the sign.
    """
    name = os.fspath(path)
    end = len(name)
    while end > 0:
        if _absolute(name[:end]).exists():
            return name[:end], name[end + 1 :]
        end = name.rfind("#", 0, end)
    return name, ""


def with_image(file: PathLike, image: str) -> str:
    """Return the name that chooses an image of a file; see `file_and_image`."""
    return f"{os.fspath(file)}#{image}" if image else os.fspath(file)


def part_of_name(image: str) -> str:
    """Return what a file that is made of an image has of it in its name, such as ``_cell``."""
    return "_" + re.sub(r"[^\w.+-]+", "_", image) if image else ""


def existing_file(path: PathLike) -> Path:
    """Return the absolute path of a file.

    Raises a `Mistake` if there is none, or it is a folder, a device or a pipe, which may never end.
    """
    file = _absolute(path)
    if file.is_dir():
        raise MistakenFolder(
            f"{path} is a folder, and a file is wanted: name one of the files in it."
        )
    return existing_path(path)


def existing_path(path: PathLike) -> Path:
    """Return the absolute path of a file or folder; see `existing_file`."""
    found = _absolute(path)
    if not found.exists():
        raise MissingFile(f"{path} does not exist: check the spelling and the folder.")
    refuse_device(found)
    return found


def refuse_device(path: PathLike) -> None:
    """Raise a `Mistake` if there is something by a name that is neither a file nor a folder."""
    found = _absolute(path)
    if found.exists() and not (found.is_file() or found.is_dir()):
        raise Mistake(f"{path} is a device or a pipe, and a file is wanted: save it as one first.")


def new_file(
    path: PathLike, *, overwrite: bool, source: PathLike | None = None, folder: bool = False
) -> Path:
    """Return the absolute path of a file that is to be written; a link leads to what it links to.

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
    if file.is_symlink():  # the file must not take the place of the link, perhaps on another disk
        file = Path(os.path.realpath(file))
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
    if source is not None and _is_of(source, file):
        raise Mistake(f"{path} is the input itself: give the output another name.")
    if not overwrite:
        raise ExistingFile(f"{path} exists: give another name, or overwrite=true to replace it.")
    return file


def _is_of(source: PathLike, file: Path) -> bool:
    """Whether a name is that of a file, or of an image in it."""
    return not is_remote(source) and file.samefile(_absolute(file_and_image(source)[0]))


def new_folder(path: PathLike) -> Path:
    """Return the absolute path of a folder that is made unless it is there.

    Raises a `Mistake` if its own folder is missing, it is a file, or it may not be written to.
    """
    folder = _absolute(path)
    if folder.exists() and not folder.is_dir():
        raise MistakenFolder(f"{path} is a file, and a folder for several files is wanted.")
    if not folder.parent.is_dir():
        raise MissingFile(
            f"the folder {folder.parent} does not exist: make it first, or write elsewhere."
        )
    if not os.access(folder if folder.exists() else folder.parent, os.W_OK):
        raise ForbiddenFile(f"the folder {folder} may not be written to: write elsewhere.")
    folder.mkdir(exist_ok=True)
    return folder


def partial_folder(path: Path) -> Path:
    """Return the folder beside an output that holds what is done of it, until it is whole."""
    return path.with_name(f"{path.name}.partial")


def remove_if_empty(folder: Path) -> None:
    """Remove a folder unless something is in it."""
    with suppress(OSError):
        folder.rmdir()


def content_hash(path: PathLike) -> str:
    """Return the SHA-256 of a file, or of the names and contents of a folder, in hexadecimal."""
    place = existing_path(path)
    if not place.is_dir():
        with place.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    total = hashlib.sha256()
    for file in sorted(each for each in place.rglob("*") if each.is_file()):
        total.update(f"{file.relative_to(place)} {content_hash(file)}\n".encode())
    return total.hexdigest()


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


@contextmanager
def replaced_folder(path: Path, *, suffix: str = "") -> Iterator[Path]:
    """Give a hidden name beside `path` for a new folder of files, as `replaced` does for a file."""
    unfinished = path.with_name(f".{path.name}.partial{suffix}")
    former = path.with_name(f".{path.name}.former")
    _remove(unfinished)  # of a run that was killed
    try:
        yield unfinished
        if path.exists():  # a folder with files in it cannot be replaced at once
            _remove(former)
            os.replace(path, former)
        os.replace(unfinished, path)
        _remove(former)
    finally:
        _remove(unfinished)


def _remove(path: Path) -> None:
    """Remove a file or a folder with all that it holds, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def sole_writer(path: Path) -> Iterator[None]:
    """Hold the name of a file that is to be written; a `BusyFile` if another process does.

    A hidden file beside it is locked meanwhile. The name is free again when this process ends, in
    whatever way.
    """
    lock = path.with_name(f".{path.name}.lock")
    file = _claimed(lock)
    if file is None:
        raise BusyFile(
            f"{path} is in use: another process writes it. Wait until it ends, or give another "
            "name."
        )
    with file:
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)  # as long as it is ours


def _claimed(lock: Path) -> IO[str] | None:
    """Open and lock a file, which others may remove meanwhile; None if another process has it."""
    while True:
        file = lock.open("w")
        if not locked(file.fileno()):
            file.close()
            return None
        if lock.exists() and os.path.samestat(os.fstat(file.fileno()), lock.stat()):
            return file
        file.close()  # the last holder removed the file that was opened


def locked(descriptor: int) -> bool:
    """Lock an open file, and return whether no other process has it.

    It is a POSIX record lock: child processes do not inherit it, and networked file systems know
    it.
    """
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # POSIX allows either
        return False
    except OSError as error:
        log.warning(
            "this file system knows no locks (%s): see to it yourself that one process writes here",
            error,
        )
    return True


def _absolute(path: PathLike) -> Path:
    # GDAL takes a relative "s3:x.tif" or "GTIFF_RAW:x.tif" for something other than a file name.
    return Path(os.path.expanduser(path)).absolute()
