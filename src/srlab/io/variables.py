"""The variables of a file of many arrays, and the choice among them by name."""

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
    """An array of bands, rows and columns in a file."""

    name: str
    """With the groups that it lies in, such as ``measurements/B02``."""

    bands: int
    target: str = ""
    """The name by which a library opens it."""

    def band_name(self, number: int) -> str:
        """Return the name of a band, counted from 1: the variable's own where it has but one."""
        last = self.name.rpartition("/")[2]
        if self.bands == 1:
            return last
        return f"{last}:{number}"


@dataclass(frozen=True)
class Part:
    """Bands of one variable, by their numbers from 1."""

    variable: Variable
    numbers: tuple[int, ...]


def choose(
    variables: Sequence[Variable], wanted: Sequence[int | str] | None, path: object
) -> tuple[Part, ...]:
    """Return the `wanted` bands in their order; None for those of the only variable.

    ``rain`` is each band of that variable, and ``rain:2`` its second one. A variable in a group is
    found without the group's name if no other has the same. A number counts the bands of the only
    variable. Neighbours of one variable make one part.

    Raises a `Mistake` that lists the variables where nothing is chosen among several, and where
    there is no such one.
    """
    if not variables:
        raise Mistake(f"{path} holds no array of rows and columns: is it an image?")
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
        variable, number = _only(variables, path), band
    else:
        named = _found(variables, band)
        if named is not None:
            return Part(named, tuple(range(1, named.bands + 1)))
        numbered = _NUMBERED.fullmatch(band)
        variable_or_none = numbered and _found(variables, numbered["variable"])
        if numbered is None or variable_or_none is None:
            raise MissingBand(f"{path} has no variable {band!r}: choose from {_list(variables)}.")
        variable, number = variable_or_none, int(numbered["number"])
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


def _found(variables: Sequence[Variable], name: str) -> Variable | None:
    """Return the variable of a name, whole or without its groups, or None."""
    wanted = name.strip("/")
    for variable in variables:
        if variable.name == wanted:
            return variable
    ends = [variable for variable in variables if variable.name.endswith(f"/{wanted}")]
    return ends[0] if len(ends) == 1 else None


def _list(variables: Sequence[Variable]) -> str:
    names = [_with_bands(variable) for variable in variables[:_LISTED]]
    if len(variables) > _LISTED:
        names.append(f"{len(variables) - _LISTED} more")
    return ", ".join(names)


def _with_bands(variable: Variable) -> str:
    if variable.bands == 1:
        return variable.name
    return f"{variable.name} ({variable.bands} bands, as {variable.name}:1)"
