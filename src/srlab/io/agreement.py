"""Whether a file is of the kind that a model, a configuration or the other files speak of.

Every command compares alike. A user who knows better names the check that is to be left out.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.io.description import Axis, Channel, Description
from srlab.io.protocols import Reader
from srlab.mistakes import Mistake

log = logging.getLogger(__name__)

Check = Literal["band_names", "dtype", "pixel_size", "value_range"]
"""The checks that ``force=`` can leave out.

``band_names``: the order of the bands. ``dtype``: whether the stored type can hold such values.
``pixel_size``: metres, or seconds, from pixel to pixel. ``value_range``: the unit of the values.
"""

PIXEL_SIZE_RATIO = 1.25
"""Pixels more than this factor coarser or finer are others than those that are known."""

USABLE_PIXEL_RATIO = 1.999
"""Less than twice as coarse or fine, pixels may be of some use to a model of others."""

LARGEST_RATIO, SMALLEST_RATIO = 8.0, 1 / 100
"""Values beyond these factors of those that are known are in another unit.

A dark scene may well be of the same unit, but none is much brighter than all others. Reflectance
× 10 000 is some 20 times 8-bit values.
"""

TYPE_RATIO = 4.0
"""A type whose largest value is less than one in this many of those that are known is too small."""

PROBE, STEPS = 64, 4
"""The side of a probe in pixels, and the number of probes on each diagonal of a scene.

Along axes before the last three a probe has one pixel: it is a part of one volume of a series.
"""

UNITS = {
    "km": (1e3, "m"),
    "cm": (1e-2, "m"),
    "mm": (1e-3, "m"),
    "µm": (1e-6, "m"),
    "um": (1e-6, "m"),
    "nm": (1e-9, "m"),
    "ms": (1e-3, "s"),
    "µs": (1e-6, "s"),
    "us": (1e-6, "s"),
}
"""Units of axes in metres or seconds."""


@dataclass(frozen=True, kw_only=True)
class Norm:
    """The kind of file that is wanted, and who wants it."""

    whose: str
    """The words before what is wanted, such as ``the model was trained on``."""

    names: tuple[str, ...] = ()
    """Of the bands; empty where any will do."""

    axes: tuple[Axis, ...] = ()
    """With their spacings; empty where any will do."""

    highest: tuple[float, ...] = ()
    """The values that each band may reach, in physical units; empty where nothing is known."""

    unit: str = ""
    """The unit of `highest`."""

    advice: Mapping[Check, str]
    """What to do about a file of another kind."""

    force: Collection[Check] = ()
    """The checks that are left out."""

    pixel_ratio: float = PIXEL_SIZE_RATIO
    """Pixels more than this factor coarser or finer are refused."""

    def check_names(self, file: str, names: tuple[str, ...]) -> None:
        """Refuse the same names in another order."""
        if "band_names" in self.force:
            return
        known = set(map(str.casefold, self.names))
        turned = names != self.names and sorted(names) == sorted(self.names)
        if turned or any(name in known for name in self._different(names)):
            raise Mistake(
                f"{file} has the bands {', '.join(names)} and {self.whose} "
                f"{', '.join(self.names)}, which is another order; {self._advice('band_names')}"
            )

    def has_other_names(self, names: tuple[str, ...]) -> bool:
        """Whether a band has another name; mere numbers say nothing."""
        return bool(self._different(names))

    def _different(self, names: tuple[str, ...]) -> list[str]:
        pairs = zip(map(str.casefold, self.names), map(str.casefold, names), strict=False)
        telling = [pair for pair in pairs if not (pair[0].isdigit() or pair[1].isdigit())]
        return [got for wanted, got in telling if got != wanted]

    def check_pixels(self, file: str, axes: tuple[Axis, ...]) -> None:
        """Refuse other spacings of one dimension, length or time, axis by axis from the last.

        Those within the `pixel_ratio` are passed with a warning.
        """
        if "pixel_size" in self.force or not self.has_other_pixels(axes):
            return
        told = f"the pixels of {file} are {_sizes(axes)} and {self.whose} {_sizes(self.axes)}"
        if self.has_other_pixels(axes, most=self.pixel_ratio):
            raise Mistake(f"{told}; {self._advice('pixel_size')}")
        log.warning("%s: less than a factor of %.2g apart, so it goes on", told, self.pixel_ratio)

    def has_other_pixels(self, axes: tuple[Axis, ...], *, most: float = PIXEL_SIZE_RATIO) -> bool:
        """Whether the spacing along an axis is beyond a ratio; what is unknown says nothing."""
        pairs = zip(map(base_spacing, self.axes[::-1]), map(base_spacing, axes[::-1]), strict=False)
        known = [(wanted, got) for wanted, got in pairs if wanted and got and wanted[1] == got[1]]
        ratios = [got[0] / wanted[0] for wanted, got in known]
        return any(not 1 / most <= ratio <= most for ratio in ratios)

    def check_types(self, file: str, channels: tuple[Channel, ...]) -> None:
        """Refuse types of integers that are too small for the values."""
        if "dtype" in self.force:
            return
        for channel, highest in zip(channels, self.highest, strict=False):
            if channel.highest is not None and channel.highest * TYPE_RATIO < highest:
                raise Mistake(
                    f"{file} stores values up to {channel.highest:.5g} ({channel.dtype}) and "
                    f"{self.whose} values up to {highest:.5g}{self._unit}; {self._advice('dtype')}"
                )

    def check_values(
        self,
        file: str,
        names: tuple[str, ...],
        reached: tuple[float, ...],
        *,
        smallest: float = SMALLEST_RATIO,
    ) -> None:
        """Refuse values of another unit; `reached` is a large value of each band, or NaN.

        `smallest` is the least share of what they may reach.
        """
        if "value_range" in self.force:
            return
        for name, got, wanted in zip(names, reached, self.highest, strict=False):
            comparable = got > 0 and wanted > 0
            if comparable and not smallest <= got / wanted <= LARGEST_RATIO:
                raise Mistake(
                    f"the values of band {name} of {file} reach {got:.4g} and {self.whose} values "
                    f"up to {wanted:.4g}{self._unit}; {self._advice('value_range')}"
                )

    def check(self, file: str, description: Description) -> None:
        """Compare all that stands in a file's header."""
        self.check_names(file, description.names)
        self.check_pixels(file, description.axes)
        self.check_types(file, description.channels)

    def _advice(self, check: Check) -> str:
        return f"{self.advice[check]}, or force=[{check}] if you know better."

    @property
    def _unit(self) -> str:
        return f" ({self.unit})" if self.unit else ""


def check_force(force: Collection[str]) -> None:
    """Raise a `Mistake` that lists the checks unless `force` is a list of their names."""
    known = get_args(Check)
    if isinstance(force, str) or any(name not in known for name in force):
        raise Mistake(
            f"force is {force!r}; give a list of {', '.join(known)}, such as [{known[2]}]."
        )


def base_spacing(axis: Axis) -> tuple[float, str] | None:
    """Return an axis' spacing in metres or seconds, and which of the two; None if it is unknown."""
    if axis.spacing is None or axis.unit is None:
        return None
    factor, unit = UNITS.get(axis.unit, (1.0, axis.unit))
    return axis.spacing * factor, unit


def metres(axes: Sequence[Axis]) -> tuple[float, ...] | None:
    """Return the spacings in metres, or None unless each axis has a known length."""
    lengths = []
    for axis in axes:
        spacing = base_spacing(axis)
        if spacing is None or spacing[1] != "m":
            return None
        lengths.append(spacing[0])
    return tuple(lengths)


def _sizes(axes: tuple[Axis, ...]) -> str:
    """Write the spacings, such as ``10 × 20 m`` or ``0.04 s × ? × ?``."""
    units = {axis.unit for axis in axes}
    if len(units) > 1:
        return " × ".join(_size(axis, axis.unit) for axis in axes)
    return " × ".join(_size(axis) for axis in axes) + f" {units.pop()}"


def _size(axis: Axis, unit: str | None = None) -> str:
    if axis.spacing is None:
        return "?"
    return f"{axis.spacing:.4g} {unit or ''}".strip()


def reached(reader: Reader) -> tuple[float, ...]:
    """Return the 99.9th percentile of each band's absolute values in probes of a file.

    It is NaN where no probe holds a value.
    """
    shape = reader.description.shape
    bands = len(reader.description.channels)
    probes = [reader.read(window) for window in _probes(shape)]
    values = np.abs(np.concatenate([probe.reshape(bands, -1) for probe in probes], axis=1))
    return tuple(map(_large, values))


def _large(values: NDArray[Any]) -> float:
    finite = values[np.isfinite(values)]
    if not finite.size:
        return math.nan
    return float(np.percentile(finite, 99.9))


def _probes(shape: tuple[int, ...]) -> list[Window]:
    """Return windows on the diagonals of a scene, enough to tell units apart at any size."""
    return [_probe(shape, *place) for place in product(range(STEPS), (False, True))]


def _probe(shape: tuple[int, ...], step: int, flipped: bool) -> Window:
    """Return the window of one step along a diagonal; `flipped` turns every second axis round."""
    window = []
    for axis, size in enumerate(shape):
        position = step
        if flipped and axis % 2:
            position = STEPS - 1 - step
        side = PROBE
        if axis < len(shape) - 3:
            side = 1
        start = round(max(size - side, 0) * position / (STEPS - 1))
        window.append(slice(start, min(start + side, size)))
    return tuple(window)
