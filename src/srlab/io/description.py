"""`Description`: the size, axes, channels and place of an image, in terms of no file format."""

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
    """The place of an image in the world; each kind of format has a class of its own for it."""

    def scaled(self, scale: Sequence[int]) -> Geometry:
        """Return the same extent with `scale` times as many pixels along each axis."""

    @property
    def place(self) -> object:
        """The part that every format keeps, to a relative precision of 1e-6.

        It consists of numbers, tuples, arrays and dataclasses, so two places can be compared.
        """

    @property
    def ground(self) -> Ground | None:
        """The ground that the image shows, to be compared with other files'; None if unknown."""


class Ground(Hashable, Protocol):
    """The ground that an image shows; equal for files that show the same ground."""

    def ball(self, margin: Sequence[float]) -> tuple[NDArray[np.float64], float]:
        """Return the centre and radius of a ball around the ground.

        The ball also contains `margin` pixels around the image, along each axis. Grounds whose
        balls do not touch have nothing in common, so most pairs need no further comparison.
        """

    def overlaps(self, other: Any, margin: Sequence[float]) -> bool:
        """Whether another ground of this kind reaches within `margin` pixels of this one."""

    def offset(self, other: Any) -> tuple[int, ...] | None:
        """Return this image's pixel at the other's first pixel; None unless they share a grid."""


@dataclass(frozen=True)
class Axis:
    """A spatial axis, or the axis of time."""

    name: str
    """``t``, ``z``, ``y`` or ``x``."""

    spacing: float | None = None
    """The distance from one pixel to the next, in `unit`; None if the file does not tell."""

    unit: str | None = None
    """The unit of `spacing`; always ``m`` for a raster, whose spacing is that on the ground."""


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
    """``red``, ``green``, ``blue``, ``alpha``, ``grey``, another word of GDAL's, or empty."""

    description: str | None = None
    """The file's own text, from which `name` is taken; None if the file has none."""

    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_scaled(self) -> bool:
        """Whether stored values differ from physical ones, by a scale or an offset."""
        return (self.scale, self.offset) != (1.0, 0.0)

    @property
    def highest(self) -> float | None:
        """The magnitude of the largest value that the stored type holds, in physical units.

        None for floats.
        """
        if self.dtype.kind not in "iu":
            return None
        return abs(float(np.iinfo(self.dtype).max) * self.scale + self.offset)


@dataclass(frozen=True)
class Description:
    """The size, axes and channels of an image, and its place in the world."""

    shape: tuple[int, ...]
    """Pixels along each axis, without the channels."""

    axes: tuple[Axis, ...]
    channels: tuple[Channel, ...]

    geometry: Geometry | None = None
    """The place of the image; None if the file does not tell."""

    tags: Mapping[str, str] = field(default_factory=dict)
    """Texts about the scene, which remain true if the number of pixels changes."""

    colour_profile: Mapping[str, str] = field(default_factory=dict)
    """The ICC profile by GDAL's keys, such as ``SOURCE_ICC_PROFILE``."""

    exif: Exif = field(default_factory=Exif)
    """EXIF data about the scene, from a camera or an editor."""

    density: tuple[float, ...] | None = None
    """Pixels per metre of paper along each axis, for printing; None if the file does not tell."""

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

        Its size in print stays the same.
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

    def subset(self, indices: Sequence[int]) -> Description:
        """Describe some of the channels, by their indices from 0."""
        return self.with_channels([self.channels[index] for index in indices])

    def with_dtype(self, dtype: DTypeLike) -> Description:
        """Describe the same values, stored in another type."""
        return self.with_channels(
            [replace(channel, dtype=np.dtype(dtype)) for channel in self.channels]
        )


def _finer(axis: Axis, factor: int) -> Axis:
    return replace(axis, spacing=axis.spacing and axis.spacing / factor)
