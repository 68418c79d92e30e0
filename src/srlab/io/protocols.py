"""The interfaces that every file format implements: `Reader` and `Writer`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.io.clipping import Counts
from srlab.io.description import Description


class Reader(Protocol):
    """An image file of any size, of which windows are read.

    The constructor of a class of readers takes a path and `bands`, and reads the header. Each
    process opens the file for itself at its first `read`. A reader pickles as its constructor's
    arguments, and ``str()`` of it is the path.
    """

    @property
    def description(self) -> Description:
        """The size, axes, place and channels of the image; `read` returns these channels."""

    def read(self, window: Window) -> NDArray[np.float32]:
        """Read ``(C, *window)`` in physical units, NaN where the file holds no data.

        Infinite values count as no data.
        """

    def close(self) -> None:
        """Release the file; a later `read` opens it anew."""


@runtime_checkable
class Film(Protocol):
    """A reader of a video, which can also show small versions of its frames at little cost."""

    def thumbnails(self) -> Iterator[NDArray[np.uint8]]:
        """Yield each frame as a small grey picture ``(H, W)``."""


class Writer(Protocol):
    """An output file that is written in blocks, and gets its name once it is complete.

    The constructor of a class of writers takes a path, a description and a provenance. A writer
    pickles, so that several processes can write to one file. The bytes of the finished file do not
    depend on the order and size of the blocks, nor on the number of processes.
    """

    @property
    def chunks(self) -> tuple[int, ...]:
        """The grid on which blocks must end: pixels along each spatial axis, 1 for anywhere."""

    @property
    def clipping(self) -> Counts:
        """Counts of the values clipped so far, which `finish` notes in the file."""

    def prepare(self) -> None:
        """Begin the file. Called once, before any `write`."""

    def resume(self) -> bool:
        """Continue what an earlier process wrote, in place of `prepare`.

        Returns False if there is nothing to continue.
        """

    def write(self, window: Window, array: NDArray[np.float32]) -> None:
        """Write ``(C, *window)`` in physical units, NaN where there is no data.

        Any process may write windows in any order, but no two the same pixels at once.
        """

    def sync(self) -> None:
        """Flush everything written so far to the disk, so that it survives a power failure."""

    def finish(self) -> None:
        """Complete the file and give it its name. Called once, after the last `write`."""

    def discard(self) -> None:
        """Remove the unfinished output, if there is any; a finished file stays."""


@dataclass(frozen=True)
class Provenance:
    """The software, model and settings that made an output; writers store them in the file."""

    software: str
    """Name and version, such as ``srlab 0.1.0``."""

    model: str
    """The SHA-256 of the bundle, in hexadecimal."""

    description: str = "super-resolved"

    settings: Mapping[str, object] = field(default_factory=dict)
    """Settings of the prediction, as values that JSON can hold."""

    def noting(self, **settings: object) -> Provenance:
        """Return the same origin with further settings."""
        return replace(self, settings={**self.settings, **settings})

    def tags(self) -> dict[str, str]:
        """Return the provenance as pairs of texts, which most formats can store as tags."""
        tags = {
            "SOFTWARE": self.software,
            "MODEL_SHA256": self.model,
            "DESCRIPTION": self.description,
        }
        if self.settings:
            tags["SETTINGS"] = json.dumps(self.settings, sort_keys=True)
        return tags
