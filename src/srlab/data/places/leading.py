"""Leading axes: those that files have and pairs do not, as slices are taken from volumes.

Frames of videos and volumes of a series are other examples.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from srlab.io import Description
from srlab.mistakes import Mistake


def without_leading(image: NDArray[Any], leading: int) -> NDArray[Any]:
    """Return ``(C, *S)`` without its first `leading` spatial axes, which have one entry each."""
    return image.reshape(len(image), *image.shape[1 + leading :])


def leading_axes(file: str, description: Description, spatial_dims: int) -> int:
    """Return the number of axes that a file has before its last `spatial_dims`.

    Raises a `Mistake` if it has fewer than `spatial_dims` axes.
    """
    axes = description.axes
    if len(axes) < spatial_dims:
        names = ", ".join(axis.name for axis in axes)
        raise Mistake(
            f"{file} has {len(axes)} axes ({names}) and spatial_dims is {spatial_dims}; choose "
            "spatial_dims to fit the files."
        )
    return len(axes) - spatial_dims
