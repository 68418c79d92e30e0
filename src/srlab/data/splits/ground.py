"""Files that show the same ground, which training and validation must not share."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Iterator, Sequence

import numpy as np

from srlab.data.regions import Region
from srlab.io import Ground

log = logging.getLogger(__name__)

TOUCHING = -0.5
"""The margin in pixels by which files that lie side by side do not overlap."""


def together(
    regions: Sequence[Region],
    *,
    margin: Sequence[float] | None = None,
    labels: Sequence[Hashable] | None = None,
) -> list[list[Region]]:
    """Return groups of files that must stay on one side, in the order of the first of each.

    Files of one ground are in one group, and so are files of one label. So are those that a third
    one joins. Files whose grounds lie within `margin` pixels of each other count as overlapping.
    """
    margin = margin or [TOUCHING] * len(regions[0].shape)
    group = list(range(len(regions)))
    first_of: dict[Hashable, int] = {}
    for place, label in enumerate(labels or ()):
        _join(group, first_of.setdefault(label, place), place)
    grounds: dict[Ground, int] = {}
    for place, region in enumerate(regions):
        ground = ground_of(region)
        if ground is not None:
            _join(group, grounds.setdefault(ground, place), place)
    for one, other in _near([*grounds], margin):
        places = grounds[one], grounds[other]
        if _root(group, places[0]) != _root(group, places[1]) and one.overlaps(other, margin):
            _join(group, *places)
    found: dict[int, list[Region]] = {}
    for place, region in enumerate(regions):
        found.setdefault(_root(group, place), []).append(region)
    return list(found.values())


def ground_of(region: Region) -> Ground | None:
    """Return the ground of a region's whole file, or None if it lies nowhere."""
    geometry = region.reader.description.geometry
    return None if geometry is None else geometry.ground


def _near(grounds: Sequence[Ground], margin: Sequence[float]) -> Iterator[tuple[Ground, Ground]]:
    """Yield the pairs whose balls touch."""
    if not grounds:
        return
    balls = [ground.ball(margin) for ground in grounds]
    centres, radii = (np.array(each) for each in zip(*balls, strict=True))
    for place, ground in enumerate(grounds):
        distances = np.linalg.norm(centres[place + 1 :] - centres[place], axis=1)
        touching = distances <= radii[place + 1 :] + radii[place]
        for step in np.flatnonzero(touching).tolist():
            yield ground, grounds[place + 1 + step]


def _root(group: list[int], place: int) -> int:
    """Return the first file of a group; ways to it are shortened as they are gone."""
    while group[place] != place:
        group[place] = group[group[place]]
        place = group[place]
    return place


def _join(group: list[int], one: int, other: int) -> None:
    first, second = sorted((_root(group, one), _root(group, other)))
    group[second] = first
