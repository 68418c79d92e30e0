"""Random flips and quarter turns of crops, along axes that may be exchanged or mirrored."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from srlab.io import Axis

Symmetry = Literal["flips", "quarter_turns"]
"""Mirroring along any spatial axis, or quarter turns in any plane of two axes that are alike."""

TOLERANCE = 0.01
"""The relative difference up to which two spacings count as equal: a pixel in a crop of 100."""


@dataclass(frozen=True)
class Turn:
    """A reordering of the spatial axes of ``(C, *S)``, followed by mirroring along some of them."""

    order: tuple[int, ...] = ()
    """The image's axis that becomes each axis of the result, from 0 on; empty: all stay."""

    mirrored: tuple[int, ...] = ()
    """The axes of the result that are mirrored."""

    def __call__(self, image: NDArray[Any]) -> NDArray[Any]:
        """Turn an image ``(C, *S)``, without a copy."""
        if self.order:
            image = image.transpose(0, *[axis + 1 for axis in self.order])
        return np.flip(image, tuple(axis + 1 for axis in self.mirrored))

    def of_sides(self, sides: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
        """Turn numbers of pixels before and after an image, along each of its axes."""
        order = self.order or range(len(sides))
        turned = [sides[axis] for axis in order]
        for axis in self.mirrored:
            before, after = turned[axis]
            turned[axis] = after, before
        return tuple(turned)

    def inverse(self, axes: int) -> Turn:
        """Return the turn that undoes this one, for images with some number of spatial `axes`."""
        order = self.order or tuple(range(axes))
        inverse_order = tuple(np.argsort(order).tolist())
        # Mirroring follows the reordering here, too, so it is along the original axes.
        return Turn(inverse_order, tuple(order[axis] for axis in self.mirrored))


UNTURNED = Turn()


def drawn_turn(
    symmetries: Collection[Symmetry],
    axes: Sequence[Axis],
    shape: Sequence[int],
    scale: Sequence[int],
    random: np.random.Generator,
) -> Turn:
    """Draw one of the turns of a crop of `shape` that `symmetries` allow, all equally likely.

    ``flips`` mirror along every axis but time. ``quarter_turns`` turn in each plane of two axes
    that are alike: their sides, scales and spacings are equal, and neither is time. A slice axis of
    unknown spacing is like no other.

    A square has four turns by either symmetry alone, and all of its eight by both. A cube has 24
    quarter turns, and 48 symmetries by both.
    """
    mirrored: list[int] = []
    if "flips" in symmetries:
        spatial = [place for place, axis in enumerate(axes) if axis.name != "t"]
        mirrored = [place for place in spatial if random.random() < 0.5]
    plane = alike(axes, shape, scale)
    if "quarter_turns" not in symmetries or len(plane) < 2:
        return Turn(mirrored=tuple(mirrored))
    drawn = random.permutation(plane).tolist()
    order = [*range(len(shape))]
    for place, axis in zip(plane, drawn, strict=True):
        order[place] = axis
    if "flips" not in symmetries:
        # A rotation, unlike a reflection, has an even number of exchanges and mirrorings.
        mirrored = [place for place in plane[1:] if random.random() < 0.5]
        exchanges = sum(first > second for first, second in combinations(drawn, 2))
        if (exchanges + len(mirrored)) % 2:
            mirrored.append(plane[0])
    return Turn(tuple(order), tuple(mirrored))


def alike(axes: Sequence[Axis], shape: Sequence[int], scale: Sequence[int]) -> list[int]:
    """Return the largest group of axes that may be exchanged; a single axis if there is none."""
    places = range(len(axes))
    sizes = [*zip(shape, scale, strict=True)]
    largest: list[int] = []
    for first in places:
        same_size = [other for other in places if sizes[first] == sizes[other]]
        group = [other for other in same_size if _equal(axes[first], axes[other])]
        largest = max(largest, group, key=len)
    return largest


def _equal(first: Axis, second: Axis) -> bool:
    """Whether two axes have the same meaning and spacing."""
    if first is second:
        return True
    if "t" in (first.name, second.name) or first.unit != second.unit:
        return False
    if first.spacing is None or second.spacing is None:
        # Pixels of pictures are square, but the distance of slices is rarely that of pixels.
        in_plane = {first.name, second.name} <= {"x", "y"}
        return in_plane and first.spacing is second.spacing
    return math.isclose(first.spacing, second.spacing, rel_tol=TOLERANCE)
