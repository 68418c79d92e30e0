"""Checks of an output's header: the files that it was made of, and its size and place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine

from srlab.files import PathLike
from srlab.io import Axis, Description
from srlab.io.array.axes import stated
from srlab.io.formats import find_format
from srlab.mistakes import Mistake

SHOWN = 9
"""The most entries that are all printed. Of more, only the first that differs is printed."""


def check_hashes(
    tags: Mapping[str, str],
    settings: Mapping[str, Any],
    hashes: Mapping[str, str],
    output: PathLike,
) -> None:
    """Raise a `Mistake` unless model and input have the hashes that the note names."""
    for name, got in hashes.items():
        wanted = tags["MODEL_SHA256"] if name == "model" else settings.get(f"{name}_sha256")
        if got != wanted:
            raise Mistake(
                f"{output} was made by another {name}: its note says {_short(wanted)}, and "
                f"{name}= has {_short(got)}."
            )


def _short(digests: object) -> str:
    """Return the beginning of each hash; there are several of a mean of several models."""
    return " and ".join(f"{digest[:16]}…" for digest in str(digests).split())


def check_place(output: PathLike, got: Description, wanted: Description) -> None:
    """Raise a `Mistake` if the size, axes or place of an output do not follow from its input.

    For a format that keeps no place, only the size counts.
    """
    form = find_format(str(output), "writer")
    if stated(Path(output)) or (form is not None and not form.keeps_place):
        got, wanted = _nowhere(got), _nowhere(wanted)
    pairs = {
        "size": (got.shape, wanted.shape),
        "axes": (got.axes, wanted.axes),
        "place": (_place(got), _place(wanted)),
    }
    for name, (one, other) in pairs.items():
        if not _near(one, other):
            raise Mistake(
                f"{output} has another {name} than its input gives it: {_apart(one, other)}."
            )


def _nowhere(described: Description) -> Description:
    axes = tuple(Axis(axis.name) for axis in described.axes)
    return replace(described, axes=axes, geometry=None)


def _place(described: Description) -> object:
    return None if described.geometry is None else described.geometry.place


def _near(one: Any, other: Any) -> bool:
    """Whether two values are equal, numbers to the precision of a header."""
    if isinstance(one, float | int) and isinstance(other, float | int):
        return bool(np.isclose(one, other, rtol=1e-6, atol=1e-9))
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return np.shape(one) == np.shape(other) and bool(
            np.allclose(one, other, rtol=1e-6, atol=1e-6)
        )
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_near, one, other))
    if is_dataclass(one) and type(one) is type(other):
        return all(
            _near(getattr(one, each.name), getattr(other, each.name)) for each in fields(one)
        )
    return bool(one == other)


def _apart(one: Any, other: Any) -> str:
    """Return where two values differ first, in one line."""
    if is_dataclass(one) and type(one) is type(other):
        for each in fields(one):
            inner = getattr(one, each.name), getattr(other, each.name)
            if not _near(*inner):
                return f"{each.name.replace('_', ' ')} {_apart(*inner)}"
    if isinstance(one, tuple | np.ndarray) and len(one) == len(other):
        for number, inner in enumerate(zip(one, other, strict=True), start=1):
            if not _near(*inner) and (len(one) > SHOWN or is_dataclass(inner[0])):
                return f"at {number} of {len(one)}: {_apart(*inner)}"
    return f"{_readable(one)}, not {_readable(other)}"


def _readable(value: Any) -> str:
    """Return a value in a few words."""
    if isinstance(value, tuple | np.ndarray | Affine):
        return f"({', '.join(map(_readable, value))})"
    if isinstance(value, float):
        return f"{value:.10g}"
    return " ".join(str(value).split())
