"""The choice of bands in files of many arrays, such as netCDF, Zarr and ``.npz``.

Such a file calls an array a variable. A variable may have several bands.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from srlab.mistakes import MissingBand, Mistake

_NUMBERED = re.compile(r"(?P<variable>.+):(?P<number>[0-9]+)")
_LISTED = 12
"""The most variables that a message names."""


@dataclass(frozen=True)
class Variable:
    """An array in a file: of rows and columns, and of several bands perhaps."""

    name: str
    """The path in the file, with the groups around the array, such as ``measurements/B02``."""

    bands: int
    target: str = ""
    """The name by which GDAL opens the array alone; empty for other libraries."""

    def band_name(self, number: int) -> str:
        """Return the name of band `number`, from 1: ``rain:2``, or ``rain`` for the only band."""
        short_name = self.name.rpartition("/")[2]
        if self.bands == 1:
            return short_name
        return f"{short_name}:{number}"


@dataclass(frozen=True)
class Part:
    """Chosen bands of one variable, by their numbers from 1."""

    variable: Variable
    numbers: tuple[int, ...]


def choose(
    variables: Sequence[Variable], wanted: Sequence[int | str] | None, path: object
) -> tuple[Part, ...]:
    """Return the `wanted` bands in their order; successive bands of one variable make one part.

    ``rain`` stands for all bands of this variable, and ``rain:2`` for its second band. The name of
    a group can be left out if the rest is unique. If the file has a single variable, numbers from
    1 choose its bands, and None chooses all of them.

    Raises a `Mistake` that lists the variables if there is no such band, or if nothing is chosen
    among several variables.
    """
    if not variables:
        raise Mistake(f"{path} holds no array of rows and columns: save an image as one.")
    if wanted is None:
        only = _only(variables, path)
        return (Part(only, tuple(range(1, only.bands + 1))),)
    if isinstance(wanted, str) or not wanted:
        example = variables[0].name or "1"
        raise Mistake(f"bands is {wanted!r}; give a list of names, such as [{example}].")
    parts: list[Part] = []
    for band in wanted:
        part = _part(variables, band, path)
        if parts and parts[-1].variable == part.variable:
            part = Part(part.variable, parts.pop().numbers + part.numbers)
        parts.append(part)
    return tuple(parts)


def check_one_grid(parts: Sequence[Part], grids: Sequence[object], path: object) -> None:
    """Raise a `Mistake` unless all parts lie on one grid; `grids` holds that of each part."""
    for part, grid in zip(parts, grids, strict=True):
        if grid != grids[0]:
            raise Mistake(
                f"{path} has {parts[0].variable.name} and {part.variable.name} on different "
                "grids, and the bands of an image lie on one: choose others."
            )


def _part(variables: Sequence[Variable], band: int | str, path: object) -> Part:
    if isinstance(band, int):
        return _single_band(_only(variables, path), band, path)
    variable = _named(variables, band)
    if variable is not None:
        return Part(variable, tuple(range(1, variable.bands + 1)))
    numbered = _NUMBERED.fullmatch(band)
    if numbered is not None:
        variable = _named(variables, numbered["variable"])
    if len(variables) == 1 and not variables[0].name:
        raise MissingBand(
            f"{path} has no band {band!r}, since its bands have no names: choose by number, such "
            "as bands=[1]."
        )
    if numbered is None or variable is None:
        raise MissingBand(f"{path} has no variable {band!r}: choose from {_list(variables)}.")
    return _single_band(variable, int(numbered["number"]), path)


def _single_band(variable: Variable, number: int, path: object) -> Part:
    if not 1 <= number <= variable.bands:
        of = f" of {variable.name}" if variable.name else ""
        raise MissingBand(f"{path} has no band {number}{of}: its bands are 1 to {variable.bands}.")
    return Part(variable, (number,))


def _only(variables: Sequence[Variable], path: object) -> Variable:
    if len(variables) > 1:
        raise Mistake(
            f"{path} holds {len(variables)} variables: choose with bands=[…] from "
            f"{_list(variables)}."
        )
    return variables[0]


def _named(variables: Sequence[Variable], name: str) -> Variable | None:
    """Return the variable of this full name, or the only one of this short name, or None."""
    wanted = name.strip("/")
    for variable in variables:
        if variable.name == wanted:
            return variable
    of_short_name = [variable for variable in variables if variable.name.endswith(f"/{wanted}")]
    return of_short_name[0] if len(of_short_name) == 1 else None


def _list(variables: Sequence[Variable]) -> str:
    names = [_with_bands(variable) for variable in variables[:_LISTED]]
    if len(variables) > _LISTED:
        names.append(f"{len(variables) - _LISTED} more")
    return ", ".join(names)


def _with_bands(variable: Variable) -> str:
    if variable.bands == 1:
        return variable.name
    return f"{variable.name} ({variable.bands} bands, as {variable.name}:1)"
