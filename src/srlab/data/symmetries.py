"""Mirroring and quarter turns of crops, along axes where they change nothing that matters."""

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
"""The share by which two spacings may differ and count as equal: a pixel in a crop of 100."""


@dataclass(frozen=True)
class Turn:
    """Puts the axes of ``(C, *S)`` into another order, and mirrors along some of them then."""

    order: tuple[int, ...] = ()
    """The axis of the image that becomes each axis, from 0 on; empty: as they are."""

    mirrored: tuple[int, ...] = ()
    """Axes of the result."""

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
        """Return the turn that undoes this one, of images with a number of `axes`."""
        order = self.order or tuple(range(axes))
        # Mirroring comes last, so that it is undone along the axes as they were before.
        return Turn(tuple(np.argsort(order).tolist()), tuple(order[axis] for axis in self.mirrored))


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
    that are alike: their sides, scales and spacings are equal, and neither is time. A slice axis
    whose spacing is unknown is like no other. In 2D a square has four turns by either alone, and
    all of its eight symmetries by both. A cube has 24 quarter turns, and 48 symmetries by both.
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
        # Turns alone keep left and right apart: exchanges and mirrorings are even in number.
        mirrored = [place for place in plane[1:] if random.random() < 0.5]
        exchanges = sum(first > second for first, second in combinations(drawn, 2))
        if (exchanges + len(mirrored)) % 2:
            mirrored.append(plane[0])
    return Turn(tuple(order), tuple(mirrored))


def alike(axes: Sequence[Axis], shape: Sequence[int], scale: Sequence[int]) -> list[int]:
    """Return the largest group of axes that may be exchanged; one alone if there is none."""
    places = range(len(axes))
    sized = [*zip(shape, scale, strict=True)]
    largest: list[int] = []
    for one in places:
        same_size = [other for other in places if sized[one] == sized[other]]
        group = [other for other in same_size if _equal(axes[one], axes[other])]
        largest = max(largest, group, key=len)
    return largest


def _equal(one: Axis, other: Axis) -> bool:
    """Whether two axes are of one meaning and spacing."""
    if one is other:
        return True
    if "t" in (one.name, other.name) or one.unit != other.unit:
        return False
    if one.spacing is None or other.spacing is None:
        # Pixels of pictures are square, but the distance of slices is rarely that of pixels.
        in_plane = {one.name, other.name} <= {"x", "y"}
        return in_plane and one.spacing is other.spacing
    return math.isclose(one.spacing, other.spacing, rel_tol=TOLERANCE)
