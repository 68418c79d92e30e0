"""What every file format offers: windows in physical units in, windows in physical units out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Window = tuple[slice, ...]
"""One ``slice(start, stop)`` of pixels per spatial axis."""


class Geometry(Protocol):
    """Where the pixels lie in the world, in whatever terms the format has."""

    @property
    def pixel_size(self) -> tuple[float, ...] | None:
        """Metres per pixel along each spatial axis, or None where the file does not say."""

    def scaled(self, scale: Sequence[int]) -> Geometry:
        """The same extent with `scale` times as many pixels per axis."""


class Reader(Protocol):
    """An open file of any size, read a window at a time."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Pixels along each spatial axis."""

    @property
    def channels(self) -> tuple[str, ...]:
        """The names of the channels that `read` returns, in its order."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type in which the file stores its values."""

    @property
    def geometry(self) -> Geometry:
        """Where the pixels lie in the world."""

    def read(self, window: Window) -> NDArray[np.float32]:
        """Read ``(C, *window)`` in physical units, NaN where the file holds no data."""

    def close(self) -> None:
        """Release the file; a later `read` opens it anew."""


class Writer(Protocol):
    """A file being written, a window at a time; it appears under its name only when closed."""

    def write(self, window: Window, array: NDArray[np.float32]) -> None:
        """Write ``(C, *window)`` given in physical units, NaN where there is no data."""

    def close(self) -> None:
        """Finish the file and give it its name."""

    def abort(self) -> None:
        """Give up: remove what was written so far, and leave nothing under the file's name."""


@dataclass(frozen=True)
class Provenance:
    """What made an output; every writer stores it in the file."""

    software: str
    """Name and version, as ``srlab 0.1.0``."""

    model: str
    """The SHA-256 of the bundle, in hexadecimal."""

    description: str = "super-resolved"

    def tags(self) -> dict[str, str]:
        """Return the provenance as the key-value pairs that file formats store."""
        return {
            "SOFTWARE": self.software,
            "MODEL_SHA256": self.model,
            "DESCRIPTION": self.description,
        }
