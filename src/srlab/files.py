"""Paths: checks that all formats share, files that appear whole or not at all, and locks."""

from __future__ import annotations

import difflib
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
"""The beginnings of names that GDAL resolves: virtual file systems, URLs, and ``DRIVER:…``."""


def is_remote(path: PathLike) -> bool:
    """Whether GDAL must resolve a name, since no local file has it.

    Examples are files in archives (``/vsizip/a.zip/b.tif``), URLs (``https://…``, ``s3://…``), and
    parts of files (``NETCDF:"a.nc":temperature``).
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
    """Return the absolute path of an existing file.

    Raises a `Mistake` if it does not exist, or is a folder, a device or a pipe.
    """
    file = _absolute(path)
    if file.is_dir():
        raise MistakenFolder(
            f"{path} is a folder, and a file is wanted: name one of the files in it."
        )
    return existing_path(path)


def existing_path(path: PathLike) -> Path:
    """Return the absolute path of an existing file or folder; see `existing_file`."""
    found = _absolute(path)
    if not found.exists():
        advice = "check the spelling and the folder."
        similar = similar_names(path)
        if similar:
            advice = f"did you mean {' or '.join(similar)}?"
        raise MissingFile(f"{path} does not exist: {advice}")
    refuse_device(found)
    return found


def similar_names(path: PathLike) -> list[str]:
    """Return the names in the folder of a path that are similar to its own, at most three."""
    wanted = _absolute(path)
    return difflib.get_close_matches(wanted.name, names_in(wanted.parent), cutoff=0.75)


def names_in(folder: PathLike) -> list[str]:
    """Return the names in a folder that are not hidden, sorted; none if it cannot be listed."""
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except OSError:
        return []


def refuse_device(path: PathLike) -> None:
    """Raise a `Mistake` if a path exists and is neither a file nor a folder.

    Reading a device or a pipe may never end.
    """
    found = _absolute(path)
    if found.exists() and not (found.is_file() or found.is_dir()):
        raise Mistake(f"{path} is a device or a pipe, and a file is wanted: save it as one first.")


def new_file(
    path: PathLike, *, overwrite: bool, source: PathLike | None = None, folder: bool = False
) -> Path:
    """Return the absolute path of a file to write, with links resolved.

    `source` is the file that it is made from. With `folder` the output is a folder of files.

    Raises
    ------
    ExistingFile
        If the file exists and `overwrite` is false.
    MissingFile, MistakenFolder, ForbiddenFile
        If its folder is missing, it is itself a folder, or its folder may not be written to.
    Mistake
        If it is `source` itself.
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
    """Return the absolute path of a folder that is to be written, and made unless it is there.

    Raises a `Mistake` if its parent is missing, it is a file, or it may not be written to.
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
    return folder


def partial_folder(path: Path) -> Path:
    """Return the folder beside an output that holds its finished parts until it is complete."""
    return path.with_name(f"{path.name}.partial")


def remove_if_empty(folder: Path) -> None:
    """Remove a folder if it is empty."""
    with suppress(OSError):
        folder.rmdir()


def content_hash(path: PathLike) -> str:
    """Return the SHA-256 of a file, or of the names and contents of a folder, in hexadecimal."""
    place = existing_path(path)
    if not place.is_dir():
        with place.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    total = hashlib.sha256()
    for file in sorted(filter(Path.is_file, place.rglob("*"))):
        total.update(f"{file.relative_to(place)} {content_hash(file)}\n".encode())
    return total.hexdigest()


@contextmanager
def replaced(path: Path, *, suffix: str = "") -> Iterator[Path]:
    """Yield a hidden name beside `path`, which ends in `suffix`, for writing a new file.

    The file replaces `path` at the end of the context. After an error it is removed.
    """
    unfinished = path.with_name(f".{path.name}.partial{suffix}")
    unfinished.unlink(missing_ok=True)  # left by a run that was killed
    try:
        yield unfinished
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def replaced_folder(path: Path, *, suffix: str = "") -> Iterator[Path]:
    """Yield a hidden name beside `path` for writing a new folder, as `replaced` does for a file."""
    unfinished = path.with_name(f".{path.name}.partial{suffix}")
    former = path.with_name(f".{path.name}.former")
    _remove(unfinished)  # left by a run that was killed
    try:
        yield unfinished
        if path.exists():  # a folder that is not empty cannot be replaced in one step
            _remove(former)
            os.replace(path, former)
        os.replace(unfinished, path)
        _remove(former)
    finally:
        _remove(unfinished)


def _remove(path: Path) -> None:
    """Remove a file, or a folder with its contents, if it exists."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def sole_writer(path: Path) -> Iterator[None]:
    """Hold the exclusive right to write a file.

    A hidden file beside it is locked meanwhile. The lock ends with this process, however it ends.

    Raises a `BusyFile` if another process holds it.
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
            lock.unlink(missing_ok=True)  # before the lock is released


def _claimed(lock: Path) -> IO[str] | None:
    """Open and lock a file, and return it; None if another process holds the lock."""
    while True:
        try:
            file = lock.open("w")
        except FileNotFoundError as error:  # such as /proc, whose folders take no new files
            raise ForbiddenFile(
                f"the folder {lock.parent} takes no new file: write elsewhere."
            ) from error
        if not locked(file.fileno()):
            file.close()
            return None
        if lock.exists() and os.path.samestat(os.fstat(file.fileno()), lock.stat()):
            return file
        file.close()  # the former holder removed this file after it was opened; try again


def locked(descriptor: int) -> bool:
    """Try to lock an open file, and return false if another process holds the lock.

    It is a POSIX record lock: child processes do not inherit it, and network file systems support
    it. If a file system has no locks, a warning says so and the result is true.
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
    # GDAL would not take a relative "s3:x.tif" or "GTIFF_RAW:x.tif" for a file name.
    return Path(os.path.expanduser(path)).absolute()
