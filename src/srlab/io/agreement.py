"""Checks that a file is of the expected kind: its bands, types, pixel sizes and values.

What is expected comes from a model, a configuration or the other files of a dataset. All commands
use the same checks. A user who knows better can leave checks out by ``force=``.
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

``band_names``: the order of the bands. ``dtype``: whether the stored type holds such large values.
``pixel_size``: metres, or seconds, from pixel to pixel. ``value_range``: the unit of the values.
"""

PIXEL_SIZE_RATIO = 1.25
"""The factor up to which pixel sizes count as the same."""

USABLE_PIXEL_RATIO = 1.999
"""The factor up to which a model may still be of some use for pixels of another size."""

LARGEST_RATIO, SMALLEST_RATIO = 8.0, 1 / 100
"""Factors of the expected largest value beyond which values are taken to be in another unit.

They are not symmetric: a scene may be much darker than all others, but hardly much brighter. For
comparison, reflectance × 10 000 is about 20 times as large as 8-bit values.
"""

TYPE_RATIO = 4.0
"""A type is too small if its largest value, times this factor, is below the expected one."""

PROBE, STEPS = 64, 4
"""The side of a probe in pixels, and the number of probes along each diagonal of a scene.

In a series of volumes, a probe lies in one volume: only its last three axes have such a side.
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
"""Units of axes: the factor that converts them, and the unit after conversion, m or s."""


@dataclass(frozen=True, kw_only=True)
class Norm:
    """The expected kind of file, and the checks of a file against it.

    The methods ``check_…`` raise a `Mistake` that names the file and says what to do.
    """

    whose: str
    """The words before what is expected in messages, such as ``the model was trained on``."""

    names: tuple[str, ...] = ()
    """The names of the bands; empty if any will do."""

    axes: tuple[Axis, ...] = ()
    """The axes with their spacings; empty if any will do."""

    highest: tuple[float, ...] = ()
    """The largest value of each band, in physical units; empty if unknown."""

    unit: str = ""
    """The unit of `highest`."""

    advice: Mapping[Check, str]
    """What the user can do if a check fails."""

    force: Collection[Check] = ()
    """The checks that are left out."""

    pixel_ratio: float = PIXEL_SIZE_RATIO
    """The factor of pixel sizes beyond which a file is refused."""

    def check_names(self, file: str, names: tuple[str, ...]) -> None:
        """Raise a `Mistake` if the bands are the expected ones in another order.

        Bands with other names altogether pass: see `has_other_names`.
        """
        if "band_names" in self.force:
            return
        expected = set(map(str.casefold, self.names))
        reordered = names != self.names and sorted(names) == sorted(self.names)
        if reordered or any(name in expected for name in self._different(names)):
            raise Mistake(
                f"{file} has the bands {', '.join(names)} and {self.whose} "
                f"{', '.join(self.names)}, which is another order; {self._advice('band_names')}"
            )

    def has_other_names(self, names: tuple[str, ...]) -> bool:
        """Whether a band has another name than expected; mere numbers are not compared."""
        return bool(self._different(names))

    def _different(self, names: tuple[str, ...]) -> list[str]:
        """Return the names, in small letters, that differ from the expected name at their place."""
        pairs = zip(map(str.casefold, self.names), map(str.casefold, names), strict=False)
        are_words = [pair for pair in pairs if not (pair[0].isdigit() or pair[1].isdigit())]
        return [got for wanted, got in are_words if got != wanted]

    def check_pixels(self, file: str, axes: tuple[Axis, ...]) -> None:
        """Raise a `Mistake` if a spacing differs from the expected one by more than `pixel_ratio`.

        A smaller difference is a warning. Axes are compared from the last one on.
        """
        if "pixel_size" in self.force or not self.has_other_pixels(axes):
            return
        difference = f"the pixels of {file} are {_sizes(axes)} and {self.whose} {_sizes(self.axes)}"
        if self.has_other_pixels(axes, most=self.pixel_ratio):
            raise Mistake(f"{difference}; {self._advice('pixel_size')}")
        log.warning(
            "%s: less than a factor of %.2g apart, so it goes on", difference, self.pixel_ratio
        )

    def has_other_pixels(self, axes: tuple[Axis, ...], *, most: float = PIXEL_SIZE_RATIO) -> bool:
        """Whether a spacing differs from the expected one by more than the factor `most`.

        A length and a time are not compared, nor is an unknown spacing.
        """
        for expected_axis, axis in zip(self.axes[::-1], axes[::-1], strict=False):
            expected, got = base_spacing(expected_axis), base_spacing(axis)
            if expected is None or got is None or expected[1] != got[1]:
                continue
            ratio = got[0] / expected[0]
            if not 1 / most <= ratio <= most:
                return True
        return False

    def check_types(self, file: str, channels: tuple[Channel, ...]) -> None:
        """Raise a `Mistake` if an integer type is too small for the expected values."""
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
        """Raise a `Mistake` if values seem to be in another unit than expected.

        `reached` is a large value of each band, or NaN if the band is empty; see the function
        `reached`. `smallest` is the least share of the expected largest value.
        """
        if "value_range" in self.force:
            return
        for name, got, wanted in zip(names, reached, self.highest, strict=False):
            comparable = got > 0 and wanted > 0
            if comparable and not smallest <= got / wanted <= LARGEST_RATIO:
                raise Mistake(
                    f"the values of band {name} of {file} reach {got:.5g} and {self.whose} values "
                    f"up to {wanted:.5g}{self._unit}; {self._advice('value_range')}"
                )

    def check(self, file: str, description: Description) -> None:
        """Check names, pixels and types, which the header of a file tells."""
        self.check_names(file, description.names)
        self.check_pixels(file, description.axes)
        self.check_types(file, description.channels)

    def _advice(self, check: Check) -> str:
        return f"{self.advice[check]}, or force=[{check}] if you know better."

    @property
    def _unit(self) -> str:
        return f" ({self.unit})" if self.unit else ""


def check_force(force: Collection[str]) -> None:
    """Raise a `Mistake` unless `force` is a list of names of checks."""
    known = get_args(Check)
    if isinstance(force, str) or any(name not in known for name in force):
        raise Mistake(
            f"force is {force!r}; give a list of {', '.join(known)}, such as [{known[2]}]."
        )


def base_spacing(axis: Axis) -> tuple[float, str] | None:
    """Return the spacing of an axis in metres or seconds, with this unit; None if unknown."""
    if axis.spacing is None or axis.unit is None:
        return None
    factor, unit = UNITS.get(axis.unit, (1.0, axis.unit))
    return axis.spacing * factor, unit


def metres(axes: Sequence[Axis]) -> tuple[float, ...] | None:
    """Return the spacings in metres; None unless all are known and lengths."""
    lengths = []
    for axis in axes:
        spacing = base_spacing(axis)
        if spacing is None or spacing[1] != "m":
            return None
        lengths.append(spacing[0])
    return tuple(lengths)


def _sizes(axes: tuple[Axis, ...]) -> str:
    """Return the spacings in words, such as ``10 × 20 m`` or ``0.04 s × ? × ?``."""
    units = {axis.unit for axis in axes}
    if len(units) > 1:
        return " × ".join(_size(axis, axis.unit) for axis in axes)
    return " × ".join(_size(axis) for axis in axes) + f" {units.pop()}"


def _size(axis: Axis, unit: str | None = None) -> str:
    if axis.spacing is None:
        return "?"
    return f"{axis.spacing:.4g} {unit or ''}".strip()


def reached(reader: Reader) -> tuple[float, ...]:
    """Return the 99.9th percentile of each band's absolute values, in probes of a file.

    The probes are a few small windows. A band without a value in any of them gives NaN.
    """
    shape = reader.description.shape
    bands = len(reader.description.channels)
    probes = [reader.read(window) for window in _probes(shape)]
    values = np.abs(np.concatenate([probe.reshape(bands, -1) for probe in probes], axis=1))
    return tuple(map(_high_percentile, values))


def _high_percentile(values: NDArray[Any]) -> float:
    finite = values[np.isfinite(values)]
    if not finite.size:
        return math.nan
    return float(np.percentile(finite, 99.9))


def _probes(shape: tuple[int, ...]) -> list[Window]:
    """Return a few windows on two diagonals of a scene, whatever its size."""
    return [_probe(shape, step, flipped) for step, flipped in product(range(STEPS), (False, True))]


def _probe(shape: tuple[int, ...], step: int, flipped: bool) -> Window:
    """Return the window at one step along a diagonal.

    If `flipped`, every second axis is walked backwards: this is the other diagonal of an image.
    """
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
