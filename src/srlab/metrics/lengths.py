"""The physical size of pixels, in a unit for the names of scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from srlab.io import Axis
from srlab.io.agreement import base_spacing


@dataclass(frozen=True)
class Lengths:
    """The distance from one pixel to the next along each axis."""

    pixel: tuple[float, ...]

    unit: str
    """The unit in ASCII letters, such as ``um`` for micrometres."""


def lengths(axes: Sequence[Axis]) -> Lengths | None:
    """Return the size of a pixel in the unit of the last axis.

    It is None unless every axis has a spacing in a unit of length, which time has not.
    """
    known = [base_spacing(axis) for axis in axes]
    metres = [spacing[0] for spacing in known if spacing is not None and spacing[1] == "m"]
    if not axes or len(metres) < len(axes):
        return None
    last = axes[-1]
    unit, of_last = str(last.unit), metres[-1]
    in_its_unit = [float(last.spacing or 0) * (size / of_last) for size in metres]
    return Lengths(tuple(in_its_unit), unit.replace("µ", "u").replace("μ", "u"))
