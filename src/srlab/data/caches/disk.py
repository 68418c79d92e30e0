"""DiskCache: a cache of decoded files on disk, shared by all runs and their processes."""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import disk_usage
from typing import Any

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.data.caches.encoding import InexactEncoding, encodings
from srlab.data.caches.protocol import format_of
from srlab.data.caches.telling import Once
from srlab.data.caches.tiles import Layout, TiledFile, write_tiles
from srlab.files import file_and_image, sole_writer
from srlab.io import Description, Reader
from srlab.mistakes import BusyFile, Mistake

log = logging.getLogger(__name__)

VERSION = 1
"""The version of the cache's files; files of another version are ignored."""

ENTRY = re.compile(r"\.?[0-9a-f]{40}\.tiles(\.partial)?")
"""The names of the cache's files; other files in its folder are left alone."""

IN_USE = 600.0
"""Seconds after its last use for which a file counts as in use by another run."""

TOUCH = 30.0
"""Seconds after which a reader marks its file as in use again."""

LARGE = 10**8
"""The size in bytes from which the user is told that a file is being decoded."""

RESERVE = 2 * 10**9
"""Bytes of the disk that stay free, for example for checkpoints."""


class DiskCache:
    """Decodes each file once, at its first read, into tiles on disk.

    The tiles take up at most `gigabytes` (10⁹ bytes) in `folder`, which all runs share; None is
    ``~/.cache/srlab``. Tiles of earlier runs are removed to make room, the least recently used
    first. A file that does not fit is read without a cache. After an error of the disk, no further
    file is cached. One warning says so. With `slow_only`, formats that are fast to read are not
    cached (`srlab.io.format.Format.slow`).

    The name of a file's tiles depends on its path, size, time of change, bands and channels, so a
    changed file gets new tiles. Names that GDAL resolves, and files that only point to others, such
    as a VRT, are never cached.

    Raises a `Mistake` if `gigabytes` is not above 0 or `folder` cannot be made.
    """

    def __init__(self, *, folder: str | None, gigabytes: float, slow_only: bool) -> None:
        if not gigabytes > 0:
            raise Mistake(f"cache.gigabytes is {gigabytes}; give a number above 0, or cache=none.")
        self._folder = _folder(folder)
        self._bytes = gigabytes * 1e9
        self._slow_only = slow_only
        self._since = time.time()
        self._failed = False
        self._beginning = Once(logging.INFO)
        self._warning = Once(logging.WARNING)

    def keep(self, reader: Reader, bands: Sequence[int | str]) -> Reader:
        """Return a reader that decodes the file once, or `reader` if it is not to be cached."""
        form = format_of(reader)
        if form is None or not form.own_pixels or (self._slow_only and not form.slow):
            return reader
        return DecodedOnce(reader, self, bands)

    def opened(self, reader: Reader, bands: Sequence[int | str], *, make: bool) -> TiledFile | None:
        """Open the tiles of a file, made now if `make` is true; None if there are none.

        Raises a `BusyFile` if another process is making them.
        """
        entry = self._entry(reader, bands)
        tiles = _open(entry, reader.description)
        if tiles is None and make and not self._failed:
            try:
                with sole_writer(entry):
                    self._make(entry, reader, bands)
            except OSError as error:
                if isinstance(error, BusyFile):
                    raise
                self._failed = True
                self._warning.tell(
                    f"nothing more is kept in {self._folder}, and files are decoded at each read "
                    f"({error.strerror}): make room, or choose cache.folder or cache=none"
                )
            tiles = _open(entry, reader.description)
        return tiles

    def _entry(self, reader: Reader, bands: Sequence[int | str]) -> Path:
        return self._folder / f"{_key(reader, bands)}.tiles"

    def _make(self, entry: Path, reader: Reader, bands: Sequence[int | str]) -> None:
        """Decode a file into `entry`, unless there is no room or the file is damaged.

        The error of a damaged file is raised when the file itself is read.
        """
        if entry.exists():  # made by another process just now
            return
        unfinished = entry.with_name(f".{entry.name}.partial")
        try:
            for encoding in encodings(reader.description):
                size = Layout.of(reader.description, encoding).size
                if not self._reserved(unfinished, size):
                    self._warning.tell(
                        f"{reader} and others do not fit into the {self._bytes / 1e9:g} GB of "
                        f"{self._folder}, and are decoded at each read: raise cache.gigabytes"
                    )
                    return
                with suppress(InexactEncoding):
                    self._log_decoding(reader, size)
                    write_tiles(unfinished, reader, encoding)
                    if self._entry(reader, bands) == entry:  # unchanged meanwhile
                        os.replace(unfinished, entry)
                    return
        except Mistake:
            return
        finally:
            unfinished.unlink(missing_ok=True)

    def _log_decoding(self, reader: Reader, size: int) -> None:
        self._beginning.tell(
            f"files are decoded once and kept in {self._folder}, at most {self._bytes / 1e9:g} GB"
        )
        if size > LARGE:
            log.info("decoding %s into %.1f GB, which may take a minute", reader, size / 1e9)

    def _reserved(self, unfinished: Path, size: int) -> bool:
        """Create a file of its full size, which other processes then count; false without room."""
        with _locked(self._folder / ".lock"):
            unfinished.unlink(missing_ok=True)
            files = sorted(_files(self._folder), key=lambda file: file[1].st_mtime)
            used = sum(status.st_size for _, status in files)
            free = disk_usage(self._folder).free - RESERVE
            latest = min(self._since, time.time() - IN_USE)
            for path, status in files:
                if used + size <= self._bytes and size <= free:
                    break
                if status.st_mtime >= latest:
                    return False
                path.unlink(missing_ok=True)
                used, free = used - status.st_size, free + status.st_size
            if used + size > self._bytes or size > free:
                return False
            with unfinished.open("wb") as file:
                file.truncate(size)
            return True


class DecodedOnce:
    """A reader of a file's cached tiles, or of the file itself while there are none."""

    def __init__(self, reader: Reader, cache: DiskCache, bands: Sequence[int | str]) -> None:
        self._reader, self._cache, self._bands = reader, cache, bands
        self.description = reader.description
        self._tiles: TiledFile | None = None
        self._tried = self._given_up = False
        self._touched = 0.0

    def __str__(self) -> str:
        return str(self._reader)

    def __reduce__(self) -> tuple[Any, ...]:
        return DecodedOnce, (self._reader, self._cache, self._bands)

    def read(self, window: Window) -> NDArray[np.float32]:
        """Read ``(C, *window)`` in physical units, NaN where the file holds no data."""
        tiles = self._opened()
        if tiles is not None:
            try:
                if time.monotonic() > self._touched + TOUCH:
                    tiles.touch()
                    self._touched = time.monotonic()
                return tiles.read(window)
            except OSError as error:  # for example of a network disk; the file may be readable
                log.info("the tiles of %s cannot be read (%s)", self, error)
                self._given_up = True
        return self._reader.read(window)

    def close(self) -> None:
        """Release the files."""
        if self._tiles is not None:
            self._tiles.close()
            self._tiles = None
        self._reader.close()

    def _opened(self) -> TiledFile | None:
        if self._given_up:
            return None
        if self._tiles is None:
            # A process decodes a file once at most, even if another run removes its tiles.
            try:
                self._tiles = self._cache.opened(self._reader, self._bands, make=not self._tried)
            except BusyFile:
                return None  # until the other process has made them
            self._tried = True
            self._given_up = self._tiles is None
        return self._tiles


def _folder(name: str | None) -> Path:
    """Create the folder of the cache, and return it."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "srlab")
    if name is not None:
        folder = Path(name)
    folder = folder.expanduser().absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Mistake(
            f"the folder {folder} for decoded files cannot be made ({error.strerror}): choose "
            "another by cache.folder, or cache=none."
        ) from error
    return folder


def _key(reader: Reader, bands: Sequence[int | str]) -> str:
    """Return a name that changes with a file, the image in it, its bands and its description."""
    file, image = file_and_image(str(reader))
    path = Path(file).absolute()
    description = reader.description
    channels = []
    for channel in description.channels:
        values = (channel.scale, channel.offset, channel.nodata, channel.masked)
        channels.append((channel.name, channel.dtype.str, *values))
    # GDAL keeps a mask, and more of the description, in files beside an image.
    beside = [path.with_name(f"{path.name}{suffix}") for suffix in (".msk", ".aux.xml")]
    inside = sorted(path.rglob("*")) if path.is_dir() else []
    state = [_state(part) for part in (path, *beside, *inside)]
    content = [VERSION, list(bands), description.shape, channels, state, image]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:40]


def _state(path: Path) -> tuple[str, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return str(path), status.st_size, status.st_mtime_ns


def _open(entry: Path, description: Description) -> TiledFile | None:
    try:
        tiles = TiledFile(entry, description, encodings(description))
        tiles.touch()
    except FileNotFoundError:
        return None
    except OSError as error:
        log.warning("%s is made anew (%s)", entry, error)
        with suppress(OSError):  # in another user's folder, making it anew will warn
            entry.unlink()
        return None
    return tiles


def _files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for path in folder.iterdir():
        if ENTRY.fullmatch(path.name):
            with suppress(FileNotFoundError):  # another process removed it
                yield path, path.stat()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock while making room; on file systems without locks, go on without one."""
    with path.open("w") as file:
        with suppress(OSError):
            fcntl.lockf(file, fcntl.LOCK_EX)
        yield
