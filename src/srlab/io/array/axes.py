"""The axes of an array in a file: stated by the file's name, or else assumed.

Nothing within an ``.npy`` or ``.npz`` tells which axis is which. A name may state the axes by
letters before its suffix, as in ``x.zyx.npy``; ``c`` stands for the channels.
"""

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
"""The orders of axes that a name may state."""

ASSUMED: Mapping[int, str] = {2: "yx", 3: "cyx", 4: "czyx", 5: "ctzyx"}
"""The axes assumed where the name states none, by the number of axes: channels first."""


def stated(path: Path) -> str | None:
    """Return the axes that a name states before its suffix, such as ``zyx``, or None."""
    alternatives = "|".join(ARRANGEMENTS)
    match = re.search(rf"\.({alternatives})\.\w+$", path.name, re.IGNORECASE)
    return match[1].lower() if match else None


def fits(path: Path, shape: Sequence[int]) -> bool:
    """Whether the number of axes is the stated one, or one for which axes can be assumed."""
    axes = stated(path)
    return len(shape) == len(axes) if axes else len(shape) in ASSUMED


def axes_of(path: Path, shape: Sequence[int]) -> str:
    """Return the axes of an array in a file: the stated ones, or else the `ASSUMED` ones.

    Raises a `Mistake` if the array has more or fewer axes.
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
    """Return the axes of space and time, without that of the channels."""
    return axes.replace("c", "")


def channels_in(shape: Sequence[int], axes: str) -> int:
    """Return the number of channels of an array; 1 without an axis of channels."""
    return shape[axes.index("c")] if "c" in axes else 1


def slices_of(window: Window, axes: str, channels: slice) -> Window:
    """Return the slices, in the order of `axes`, of some channels within a window."""
    spans = dict(zip(space_of(axes), window, strict=True))
    spans["c"] = channels
    return tuple(spans[axis] for axis in axes)


def channels_first(values: NDArray[Any], axes: str) -> NDArray[Any]:
    """Return values in the order of `axes` as ``(C, *S)``."""
    if "c" not in axes:
        return values[np.newaxis]
    return np.moveaxis(values, axes.index("c"), 0)


def as_stored(values: NDArray[Any], axes: str) -> NDArray[Any]:
    """Return values ``(C, *S)`` in the order of `axes`."""
    if "c" not in axes:
        only: NDArray[Any] = values[0]
        return only
    return np.moveaxis(values, 0, axes.index("c"))


@cache
def _tell(axes: str | None) -> None:
    """Log once in a process which axes are assumed, unless there are only two."""
    if axes and "c" in axes:
        log.info(
            "arrays of %d axes are read as %s; a name that ends in .zyx.npy, for example, says "
            "otherwise",
            len(axes),
            axes,
        )
