"""The planes of a volume or clip that a picture shows, with the true proportions of pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor
from typing import Literal, get_args

import torch
from torch import Tensor

from srlab.io import Axis
from srlab.io.agreement import base_spacing
from srlab.mistakes import Mistake

VolumeView = Literal["middle", "slices", "frames"]

FRAMES = 4
"""The largest number of frames of a video that are shown."""

NEARLY, LONGEST = 1.02, 16.0
"""The ratios of pixel sizes below which they count as equal, and above which they are cut.

The upper limit guards against headers that claim absurd sizes.
"""


@dataclass(frozen=True)
class Plane:
    """A plane of an image, and the two axes of the image along its rows and columns."""

    pixels: Tensor
    """``(C, H, W)``"""

    axes: tuple[int, int]


def planes(image: Tensor, view: VolumeView, axes: Sequence[Axis] = ()) -> list[Plane]:
    """Return the planes to show of an image ``(C, *S)`` with the given spatial `axes`.

    An image of two axes is its own plane. Of a volume, ``middle`` is the middle slice of the first
    axis, ``slices`` are the middle slices of all three axes, and ``frames`` are up to four entries
    of the first axis, evenly spaced. Of a clip, ``slices`` are the middle frame and a profile in
    time: the middle row of each frame, from top to bottom.

    An axis z along the rows points upwards. Pixels are repeated along longer sides until they are
    square. A profile in time is enlarged to about half the height of a frame.

    Raises a `Mistake` for an unknown `view`.
    """
    if view not in get_args(VolumeView):
        offered = ", ".join(get_args(VolumeView))
        raise Mistake(f"cannot show a volume by {view!r}; give one of {offered}.")
    factors = _factors(axes, image.shape[1:])
    return [_squared(plane, factors) for plane in _cut(image, view, axes)]


def _cut(image: Tensor, view: VolumeView, axes: Sequence[Axis]) -> list[Plane]:
    if image.ndim == 3:
        return [Plane(image, (0, 1))]
    if view == "slices":
        cut = []
        for across in range(2 if _is_clip(axes) else 3):
            rows, columns = (axis for axis in range(3) if axis != across)
            middle = image.select(across + 1, image.shape[across + 1] // 2)
            if axes and axes[rows].name == "z":
                middle = middle.flip(1)  # so that heads are upright
            cut.append(Plane(middle, (rows, columns)))
        return cut
    length = image.shape[1]
    count = 1 if view == "middle" else min(FRAMES, length)
    places = [(2 * number + 1) * length // (2 * count) for number in range(count)]
    return [Plane(image[:, place], (1, 2)) for place in places]


def _is_clip(axes: Sequence[Axis]) -> bool:
    return len(axes) == 3 and axes[0].name == "t"


def _factors(axes: Sequence[Axis], shape: Sequence[int]) -> Sequence[float]:
    """Return the factor by which each axis is enlarged; 1 if the size of its pixels is unknown."""
    if not axes:
        return (1.0,) * len(shape)
    known = [base_spacing(axis) for axis in axes]
    lengths = [spacing[0] for spacing in known if spacing is not None and spacing[1] == "m"]
    factors = []
    for spacing in known:
        factor = 1.0
        if spacing is not None and spacing[1] == "m":
            factor = min(spacing[0] / min(lengths), LONGEST)
        factors.append(factor if factor >= NEARLY else 1.0)
    if _is_clip(axes):
        factors[0] = max(shape[1] // (2 * shape[0]), 1)
    return factors


def _squared(plane: Plane, factors: Sequence[float]) -> Plane:
    pixels = plane.pixels
    for place, axis in enumerate(plane.axes, start=1):
        factor, size = factors[axis], pixels.shape[place]
        if factor > 1:
            shown = [floor((at + 0.5) / factor) for at in range(round(size * factor))]
            chosen = torch.tensor(shown, device=pixels.device).clamp(max=size - 1)
            pixels = pixels.index_select(place, chosen)
    return Plane(pixels, plane.axes)
