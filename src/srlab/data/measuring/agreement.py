"""Checks that the files of a source agree with each other in bands, pixel size and type."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from srlab.io import Axis, Description, Reader
from srlab.io.agreement import TYPE_RATIO, Check, Norm
from srlab.mistakes import Mistake

log = logging.getLogger(__name__)

Value = TypeVar("Value", bound=Hashable)


def check_agreement(readers: Sequence[Reader], *, force: Collection[Check] = ()) -> Description:
    """Compare every file with the majority, and return the description of a file of the majority.

    Only headers are compared: the order of the bands, the pixel sizes, and the largest values that
    the types can store. `force` leaves checks out. Band names that differ, and floats among
    integers, only cause a warning.

    Raises a `Mistake` that names the first file that disagrees, and in what.
    """
    descriptions = [reader.description for reader in readers]
    _check_axes(readers)
    norm = Norm(
        whose="most of the files have",
        names=_most_common(_real_names([each.names for each in descriptions])),
        axes=_most_common(map(_rounded, descriptions)),
        advice={
            "band_names": "choose data.bands by name, or remove the file",
            "pixel_size": "resample the file or remove it",
        },
        force=force,
    )
    for reader, description in zip(readers, descriptions, strict=True):
        norm.check(str(reader), description)
    if "dtype" not in force:
        _check_types(readers)
    others = [reader for reader in readers if norm.has_other_names(reader.description.names)]
    _warn(others, "the bands", [", ".join(reader.description.names) for reader in others])
    for description in descriptions:
        if description.names == norm.names and _rounded(description) == norm.axes:
            return description
    return descriptions[0]


def _check_axes(readers: Sequence[Reader]) -> None:
    """Compare the names of the axes."""
    names = [_axis_names(reader.description) for reader in readers]
    usual = _most_common(names)
    for reader, own in zip(readers, names, strict=True):
        if own != usual:
            raise Mistake(
                f"{reader} has the axes {own} and most of the files have {usual}; remove the file, "
                "or keep images of other axes apart."
            )


def _axis_names(description: Description) -> str:
    return ", ".join(axis.name for axis in description.axes)


def _most_common(values: Iterable[Value]) -> Value:
    """Return the most frequent value; the first of several."""
    return Counter(values).most_common(1)[0][0]


def _real_names(names: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return the band names that are not only numbers; all if there are no others."""
    return [bands for bands in names if not all(map(str.isdigit, bands))] or names


def _rounded(description: Description) -> tuple[Axis, ...]:
    """Return the axes with spacings of three digits, so that neighbouring scenes are equal."""
    axes = []
    for axis in description.axes:
        spacing = axis.spacing and float(f"{axis.spacing:.3g}")
        axes.append(replace(axis, spacing=spacing))
    return tuple(axes)


def _highest(description: Description) -> tuple[float | None, ...]:
    return tuple(channel.highest for channel in description.channels)


def _check_types(readers: Sequence[Reader]) -> None:
    """Compare the largest values that the types of the files can store."""
    types = [_highest(reader.description) for reader in readers]
    usual = _most_common(types)
    floats = []
    for reader, highest in zip(readers, types, strict=True):
        if (None in highest) != (None in usual):
            floats.append(reader)
        for got, wanted in zip(highest, usual, strict=False):
            if got and wanted and not 1 / TYPE_RATIO <= got / wanted <= TYPE_RATIO:
                raise Mistake(
                    f"{reader} stores values up to {got:.5g} ({reader.description.dtype}) and most "
                    f"of the files up to {wanted:.5g}; bring them to one unit and type, or "
                    "force=[dtype] if you know better."
                )
    _warn(floats, "the type", [str(reader.description.dtype) for reader in floats])


def _warn(readers: Sequence[Reader], what: str, got: Sequence[str]) -> None:
    if readers:
        log.warning(
            "%d files have other %s than most, such as %s: %s",
            len(readers), what, readers[0], got[0],
        )  # fmt: skip
