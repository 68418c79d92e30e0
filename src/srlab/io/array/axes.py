"""The axes of an array, which nothing in its file tells."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.mistakes import Mistake

log = logging.getLogger(__name__)

ARRANGEMENTS = (
    *("yx", "cyx", "yxc", "zyx", "czyx", "zyxc", "zcyx"),
    *("tyx", "ctyx", "tyxc", "tcyx", "tzyx", "ctzyx", "tzyxc", "tczyx"),
)
"""The orders of axes that a name may state, as in ``x.zyx.npy``; ``c`` counts channels."""

ASSUMED: Mapping[int, str] = {2: "yx", 3: "cyx", 4: "czyx", 5: "ctzyx"}
"""The axes of arrays whose name states none, by their number: channels first."""


def stated(path: Path) -> str | None:
    """Return the axes that a name states before its ending, such as ``zyx``, or None."""
    listed = "|".join(ARRANGEMENTS)
    found = re.search(rf"\.({listed})\.\w+$", path.name, re.IGNORECASE)
    return found[1].lower() if found else None


def fits(path: Path, shape: Sequence[int]) -> bool:
    """Whether an array has as many axes as the name of its file states, or as may be assumed."""
    axes = stated(path)
    return len(shape) == len(axes) if axes else len(shape) in ASSUMED


def axes_of(path: Path, shape: Sequence[int]) -> str:
    """Return the axes of an array in a file: those that its name states, or `ASSUMED` ones.

    Raises a `Mistake` if there are more or fewer.
    """
    axes = stated(path)
    if axes is None:
        axes = ASSUMED.get(len(shape))
        _tell(axes)
    if axes is None or len(axes) != len(shape):
        sizes = " x ".join(map(str, shape))
        wanted = f"its name says {axes}" if axes else "2 to 5 are read"
        raise Mistake(
            f"{path} has {len(shape)} axes ({sizes}), and {wanted}: name the axes before the "
            f"ending, such as .zyx{path.suffix} or .yxc{path.suffix}."
        )
    return axes


def space_of(axes: str) -> str:
    """Return the axes without that of the channels."""
    return axes.replace("c", "")


def channels_in(shape: Sequence[int], axes: str) -> int:
    """Return how many channels an array has."""
    return shape[axes.index("c")] if "c" in axes else 1


def place_of(window: Window, axes: str, channels: slice) -> Window:
    """Return the place in an array of some channels of a window, which goes by space alone."""
    spans = dict(zip(space_of(axes), window, strict=True))
    spans["c"] = channels
    return tuple(spans[axis] for axis in axes)


def channels_first(values: NDArray[Any], axes: str) -> NDArray[Any]:
    """Return ``(C, *S)`` of values in the order of `axes`."""
    if "c" not in axes:
        return values[np.newaxis]
    return np.moveaxis(values, axes.index("c"), 0)


def as_stored(values: NDArray[Any], axes: str) -> NDArray[Any]:
    """Return values in the order of `axes`, of ``(C, *S)``."""
    if "c" not in axes:
        only: NDArray[Any] = values[0]
        return only
    return np.moveaxis(values, 0, axes.index("c"))


@cache
def _tell(axes: str | None) -> None:
    """Log once in a process how such arrays are read; two axes leave nothing to doubt."""
    if axes and "c" in axes:
        log.info(
            "arrays of %d axes are read as %s; a name that ends in .zyx.npy, for example, says "
            "otherwise",
            len(axes),
            axes,
        )
