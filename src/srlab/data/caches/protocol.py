"""The interface of caches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from srlab.files import file_and_image, is_remote
from srlab.io import Reader
from srlab.io.format import Format
from srlab.io.formats import REMOTE, find_format


class Cache(Protocol):
    """Keeps decoded files within a budget of memory; values that are read are bit-identical."""

    def keep(self, reader: Reader, bands: Sequence[int | str]) -> Reader:
        """Return a reader of the same values, or `reader` itself if it is not to be cached.

        The values must depend on the path and `bands` alone, as those of `open_reader` do. A reader
        that resamples onto another grid cannot be cached.
        """


def kept(reader: Reader, bands: Sequence[int | str], cache: Cache | None) -> Reader:
    """Return `reader` behind the `cache`; without a cache, `reader` itself."""
    if cache is None:
        return reader
    return cache.keep(reader, bands)


def format_of(reader: Reader) -> Format | None:
    """Return the format of a reader's file, or None for an array in memory."""
    path = str(reader)
    if is_remote(path):
        return REMOTE
    file, _ = file_and_image(path)
    if not Path(file).exists():
        return None
    return find_format(file, "reader")
