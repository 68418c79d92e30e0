"""The contents of an image file, in no format's terms."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import mul
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from srlab.io.exif import Exif

RGB_COLOURS: Mapping[str, str] = {"R": "red", "G": "green", "B": "blue"}
"""The names of the channels of a colour picture, and the `Channel.colour` of each."""


class Geometry(Protocol):
    """The place of the pixels in the world, in the terms of one kind of format."""

    def scaled(self, scale: Sequence[int]) -> Geometry:
        """Return the same extent with `scale` times as many pixels along each axis."""

    @property
    def place(self) -> object:
        """What every format keeps of it, to a millionth: numbers, tuples, arrays, dataclasses."""

    @property
    def ground(self) -> Ground | None:
        """The place that the pixels show, comparable with that of another file; None if unknown."""


class Ground(Hashable, Protocol):
    """The place that the pixels of a file show; equal for files that show the same."""

    def ball(self, margin: Sequence[float]) -> tuple[NDArray[np.float64], float]:
        """Return the centre and radius of a ball around it and `margin` pixels along each axis.

        Places whose balls do not touch have nothing in common.
        """

    def overlaps(self, other: Any, margin: Sequence[float]) -> bool:
        """Whether another place of this kind reaches into this one or `margin` pixels around it."""

    def offset(self, other: Any) -> tuple[int, ...] | None:
        """Return the pixel that lies under the other's first; None unless they share a grid."""


@dataclass(frozen=True)
class Axis:
    """A spatial axis, or the axis of time."""

    name: str
    """``t``, ``z``, ``y`` or ``x``."""

    spacing: float | None = None
    """From one pixel to the next; None where the file does not say."""

    unit: str | None = None
    """Of the spacing; ``m`` of a raster, whose spacing is measured on the ground."""


@dataclass(frozen=True)
class Channel:
    """A channel: its name, its unit, and how its values are stored."""

    name: str
    unit: str = ""
    dtype: np.dtype[Any] = field(default_factory=lambda: np.dtype(np.float32))

    scale: float = 1.0
    """``physical = stored · scale + offset``"""

    offset: float = 0.0

    nodata: float | None = None
    """The stored value of a pixel that holds no data."""

    masked: bool = False
    """Whether empty pixels are marked by a mask instead of by a value."""

    colour: str = ""
    """``red``, ``green``, ``blue``, ``alpha``, ``grey``, another such word, or nothing."""

    description: str | None = None
    """The file's own words, from which `name` is taken; None where it has none."""

    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_scaled(self) -> bool:
        """Whether stored values differ from physical ones, by a scale or an offset."""
        return (self.scale, self.offset) != (1.0, 0.0)

    @property
    def highest(self) -> float | None:
        """The size of the largest value that the stored type can hold; None of floats.

        It is in physical units.
        """
        if self.dtype.kind not in "iu":
            return None
        return abs(float(np.iinfo(self.dtype).max) * self.scale + self.offset)


@dataclass(frozen=True)
class Description:
    """An image: its pixels along each axis, its channels, and its place in the world.

    `geometry` is None for an image that lies nowhere. `tags` are those that hold for the scene,
    whatever the number of its pixels.
    """

    shape: tuple[int, ...]
    axes: tuple[Axis, ...]
    channels: tuple[Channel, ...]
    geometry: Geometry | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    colour_profile: Mapping[str, str] = field(default_factory=dict)
    """The ICC profile by GDAL's keys, such as ``SOURCE_ICC_PROFILE``."""

    exif: Exif = field(default_factory=Exif)
    """The notes of a camera or an editor that hold for the scene."""

    density: tuple[float, ...] | None = None
    """Pixels a metre along each axis in print; None where the file does not say."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the channels."""
        return tuple(channel.name for channel in self.channels)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The smallest type that stores the values of every channel."""
        return np.result_type(*(channel.dtype for channel in self.channels))

    @property
    def pixel_size(self) -> tuple[float, ...] | None:
        """The spacing along each axis, or None where one is unknown."""
        spacings = [axis.spacing for axis in self.axes if axis.spacing is not None]
        return tuple(spacings) if len(spacings) == len(self.axes) else None

    def scaled(self, scale: Sequence[int]) -> Description:
        """Describe the same scene with `scale` times as many pixels along each axis.

        In print it is as large as before.
        """
        return replace(
            self,
            shape=tuple(size * factor for size, factor in zip(self.shape, scale, strict=True)),
            axes=tuple(map(_finer, self.axes, scale)),
            geometry=self.geometry and self.geometry.scaled(scale),
            density=self.density and tuple(map(mul, self.density, scale)),
        )

    def with_channels(self, channels: Sequence[Channel]) -> Description:
        """Describe other channels of the same scene."""
        return replace(self, channels=tuple(channels))

    def with_dtype(self, dtype: DTypeLike) -> Description:
        """Describe the same values, stored in another type."""
        return self.with_channels(
            [replace(channel, dtype=np.dtype(dtype)) for channel in self.channels]
        )


def _finer(axis: Axis, factor: int) -> Axis:
    return replace(axis, spacing=axis.spacing and axis.spacing / factor)
