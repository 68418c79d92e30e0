"""Volumes of thick slices, read with their axes in another order.

In such a volume, pixels are finer within a slice than across the slices. To learn or to apply
super-resolution across the slices, the axis ``across`` them is moved next to an axis within them.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.io.agreement import Check, base_spacing
from srlab.io.description import Axis, Description
from srlab.io.protocols import Reader
from srlab.mistakes import Mistake

log = logging.getLogger(__name__)

WHOLE = 0.01
"""The relative deviation up to which a ratio of spacings counts as a whole number."""

SPACE = 3
"""The number of a file's last axes that are those of a volume."""

VOLUME = ("z", "y", "x")
"""The names of these axes, in the order of every format."""

Order = tuple[int, ...]
"""For each axis of the result, the number of the file's axis, from 0."""


def turned(description: Description, order: Sequence[int]) -> Description:
    """Describe an image with its axes in another order.

    Its place and its density in print are left out, since they refer to the file's order.
    """
    return replace(
        description,
        shape=tuple(description.shape[axis] for axis in order),
        axes=tuple(description.axes[axis] for axis in order),
        geometry=None,
        density=None,
    )


class Turned:
    """A reader of a file with its axes in another order; see `turned`."""

    def __init__(self, reader: Reader, order: Sequence[int]) -> None:
        self._reader, self._order = reader, tuple(order)
        self.description = turned(reader.description, order)

    def __str__(self) -> str:
        return str(self._reader)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(Turned, order=self._order), (self._reader,)

    def read(self, window: Window) -> NDArray[np.float32]:
        """Read ``(C, *window)`` in physical units, NaN where there is no data."""
        stored_window = tuple(window[self._order.index(axis)] for axis in range(len(window)))
        values = self._reader.read(stored_window)
        return values.transpose(0, *[axis + 1 for axis in self._order])

    def close(self) -> None:
        """Release the file."""
        self._reader.close()


def in_plane_last(file: str, description: Description, across: str) -> Order:
    """Return the order of axes whose last three are `across` and the two axes of the slices.

    Raises a `Mistake` if the file holds no volume, or has no axis called `across`.
    """
    names = [axis.name for axis in description.axes]
    first = max(len(names) - SPACE, 0)
    if len(names) < SPACE or across not in names[first:]:
        raise Mistake(
            f"{file} has the axes {', '.join(names)}; a volume is wanted, one of whose axes is "
            f"{across}."
        )
    place = names.index(across, first)
    others = [axis for axis in range(first, len(names)) if axis != place]
    return (*range(first), place, *others)


def slices_both_ways(file: str, description: Description, across: str) -> tuple[Order, Order]:
    """Return the two orders whose last two axes are `across` and an axis of the slices.

    In planes of these axes, each slice of the volume is a row. Raises a `Mistake` as
    `in_plane_last` does.
    """
    *leading, slices, rows, columns = in_plane_last(file, description, across)
    return (*leading, rows, slices, columns), (*leading, columns, slices, rows)


def check_thickness(
    file: str,
    description: Description,
    across: str,
    factor: int,
    *,
    advice: str,
    force: Collection[Check] = (),
) -> None:
    """Raise a `Mistake` unless slices are `factor` times as far apart as pixels in a slice.

    Ratios are rounded to whole numbers, and unknown spacings are not checked. `advice` says what
    to do about another ratio. If `force` holds ``pixel_size``, nothing is checked.
    """
    if "pixel_size" in force:
        return
    for thick, fine, other in _spacings(file, description, across):
        ratio = thick / fine
        if round(ratio) != factor:
            raise Mistake(
                f"the slices of {file} along {across} are {ratio:.3g} times as far apart as the "
                f"pixels along {other.name}, and {factor} times is wanted; "
                f"{advice}, or force=[pixel_size] if you know better."
            )


def tell_of_rounding(file: str, description: Description, across: str, factor: int) -> None:
    """Log the resulting spacing if slices are not a whole number of pixels apart."""
    (slices,) = (axis for axis in description.axes if axis.name == across)
    for thick, fine, other in _spacings(file, description, across):
        if abs(thick / fine / factor - 1) > WHOLE:
            log.info(
                "the slices of %s lie %.3g pixels apart: %d times as many along %s lie %.4g %s "
                "apart, and pixels %.4g %s",
                file, thick / fine, factor, across, (slices.spacing or 0) / factor, slices.unit,
                other.spacing, other.unit,
            )  # fmt: skip
            return


def _spacings(
    file: str, description: Description, across: str
) -> Iterator[tuple[float, float, Axis]]:
    """Yield the spacing across slices, that along an axis within them, and this axis.

    Only pairs of two known spacings in the same unit are yielded.
    """
    slices, *in_plane = in_plane_last(file, description, across)[-SPACE:]
    thick = base_spacing(description.axes[slices])
    for axis in in_plane:
        fine = base_spacing(description.axes[axis])
        if thick is not None and fine is not None and thick[1] == fine[1]:
            yield thick[0], fine[0], description.axes[axis]
