"""Files with more axes than pairs: slices of volumes, frames of videos, volumes of a series."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from srlab.io import Description
from srlab.mistakes import Mistake


def without_leading(image: NDArray[Any], leading: int) -> NDArray[Any]:
    """Return ``(C, *S)`` without its first `leading` axes of space, which have one entry each."""
    return image.reshape(len(image), *image.shape[1 + leading :])


def leading_axes(file: str, description: Description, spatial_dims: int) -> int:
    """Return how many axes a file has before its last `spatial_dims`.

    Raises a `Mistake` if it has fewer than these.
    """
    axes = description.axes
    if len(axes) < spatial_dims:
        names = ", ".join(axis.name for axis in axes)
        raise Mistake(
            f"{file} has {len(axes)} axes ({names}) and spatial_dims is {spatial_dims}; choose "
            "spatial_dims to fit the files."
        )
    return len(axes) - spatial_dims
