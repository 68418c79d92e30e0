"""The physical size of pixels, in a unit that can stand in the name of a score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from srlab.io import Axis
from srlab.io.agreement import base_spacing


@dataclass(frozen=True)
class Lengths:
    """The physical size of a pixel."""

    pixel: tuple[float, ...]
    """The distance from one pixel to the next along each axis."""

    unit: str
    """The unit of the distances in ASCII letters, such as ``um`` for micrometres."""


def lengths(axes: Sequence[Axis]) -> Lengths | None:
    """Return the size of a pixel, with all axes in the unit of the last one.

    It is None unless every axis has a spacing in a unit of length. An axis of time has none.
    """
    known = [base_spacing(axis) for axis in axes]
    metres = [spacing[0] for spacing in known if spacing is not None and spacing[1] == "m"]
    if not axes or len(metres) < len(axes):
        return None

    last = axes[-1]
    last_spacing = float(last.spacing or 0)
    pixel = tuple(last_spacing * (size / metres[-1]) for size in metres)
    unit = str(last.unit)
    for micro in ("µ", "μ"):  # Unicode has two signs for micro
        unit = unit.replace(micro, "u")
    return Lengths(pixel, unit)
