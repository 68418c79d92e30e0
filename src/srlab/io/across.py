"""Volumes of thick slices: read with their axes in another order."""

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
"""A ratio of spacings that is this close to a whole number, as a share of it, counts as whole."""

SPACE = 3
"""The last axes of a file, which are those of a volume."""

VOLUME = ("z", "y", "x")
"""Their names, in the order of every format."""

Order = tuple[int, ...]
"""The axis of a file that becomes each axis, from 0 on."""


def turned(description: Description, order: Sequence[int]) -> Description:
    """Describe an image with its axes in another order.

    Its place in the world and its density in print are left out: these go by the file's order.
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
        own = tuple(window[self._order.index(axis)] for axis in range(len(window)))
        values = self._reader.read(own)
        return values.transpose(0, *[axis + 1 for axis in self._order])

    def close(self) -> None:
        """Release the file."""
        self._reader.close()


def in_plane_last(file: str, description: Description, across: str) -> Order:
    """Return the order of a file's axes that ends in `across` and then those of the slices.

    Raises a `Mistake` if it holds no volume that has an axis called `across`.
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
    """Return the two orders whose last two axes are `across` and one axis of the slices.

    In such a plane a volume's own slices are rows. Raises a `Mistake` as `in_plane_last` does.
    """
    *leading, place, one, other = in_plane_last(file, description, across)
    return (*leading, one, place, other), (*leading, other, place, one)


def check_thickness(
    file: str,
    description: Description,
    across: str,
    factor: int,
    *,
    advice: str,
    force: Collection[Check] = (),
) -> None:
    """Refuse slices that are not `factor` times as far apart as their pixels, if both are known.

    The nearest whole number counts. `advice` says what to do about others.
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
    """Log the spacing that is reached where slices are no whole number of pixels apart."""
    (place,) = (axis for axis in description.axes if axis.name == across)
    for thick, fine, other in _spacings(file, description, across):
        if abs(thick / fine / factor - 1) > WHOLE:
            log.info(
                "the slices of %s lie %.3g pixels apart: %d times as many along %s lie %.4g %s "
                "apart, and pixels %.4g %s",
                file, thick / fine, factor, across, (place.spacing or 0) / factor, place.unit,
                other.spacing, other.unit,
            )  # fmt: skip
            return


def _spacings(
    file: str, description: Description, across: str
) -> Iterator[tuple[float, float, Axis]]:
    """Yield the spacing across slices and one in their plane, and its axis, if both are known."""
    place, *others = in_plane_last(file, description, across)[-SPACE:]
    thick = base_spacing(description.axes[place])
    for axis in others:
        fine = base_spacing(description.axes[axis])
        if thick is not None and fine is not None and thick[1] == fine[1]:
            yield thick[0], fine[0], description.axes[axis]
