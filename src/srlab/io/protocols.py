"""The interface of every file format: physical units in and out, a window at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.io.clipping import Counts
from srlab.io.description import Description


class Reader(Protocol):
    """A file of any size, read a window at a time.

    A class of readers is made from a path and `bands`. It opens its file at the first read, in each
    process anew, and pickles as its arguments. ``str()`` of a reader is its path.
    """

    @property
    def description(self) -> Description:
        """The contents of the file; the channels are those that `read` returns."""

    def read(self, window: Window) -> NDArray[np.float32]:
        """Read ``(C, *window)`` in physical units, NaN where the file holds no data.

        An infinite value holds none, either.
        """

    def close(self) -> None:
        """Release the file; a later `read` opens it anew."""


@runtime_checkable
class Film(Protocol):
    """A reader of frames in time, which it can also give small and without reading them whole."""

    def thumbnails(self) -> Iterator[NDArray[np.uint8]]:
        """Yield each frame in grey ``(H, W)``, of a size that suits a look at it."""


class Writer(Protocol):
    """A file that is written in blocks; it appears under its name when it is whole.

    A class of writers is made from a path, a description and a provenance, and pickles as these.
    The bytes of the file are the same for any order and size of the blocks, and for any number of
    processes that write them.
    """

    @property
    def chunks(self) -> tuple[int, ...]:
        """Pixels along each spatial axis on whose multiples blocks must end; 1: anywhere."""

    @property
    def clipping(self) -> Counts:
        """The values that were clipped so far, which `finish` notes in the file."""

    def prepare(self) -> None:
        """Begin the file; once, before any `write`."""

    def resume(self) -> bool:
        """Go on with what an ended process wrote, in the place of `prepare`.

        False: nothing is there to go on with.
        """

    def write(self, window: Window, array: NDArray[np.float32]) -> None:
        """Write ``(C, *window)`` in physical units, NaN where there is no data.

        Any process may call it, in any order. No two may write the same pixels at once.
        """

    def sync(self) -> None:
        """Have the disk hold all that was written so far, whatever happens to the machine."""

    def finish(self) -> None:
        """Complete the file and give it its name; once, after every `write`."""

    def discard(self) -> None:
        """Remove what was written so far, if anything, and leave a finished file alone."""


@dataclass(frozen=True)
class Provenance:
    """The origin of an output; every writer stores it in the file."""

    software: str
    """Name and version, such as ``srlab 0.1.0``."""

    model: str
    """The SHA-256 of the bundle, in hexadecimal."""

    description: str = "super-resolved"

    settings: Mapping[str, object] = field(default_factory=dict)
    """Further settings, which JSON can hold."""

    def tags(self) -> dict[str, str]:
        """Return the provenance as the key-value pairs that file formats store."""
        tags = {
            "SOFTWARE": self.software,
            "MODEL_SHA256": self.model,
            "DESCRIPTION": self.description,
        }
        if self.settings:
            tags["SETTINGS"] = json.dumps(self.settings, sort_keys=True)
        return tags
