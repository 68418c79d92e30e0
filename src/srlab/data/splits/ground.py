"""Grouping of files that show the same ground, which training and validation must not share."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Iterator, Sequence

import numpy as np

from srlab.data.places.regions import Region
from srlab.io import Ground

log = logging.getLogger(__name__)

TOUCHING = -0.5
"""The margin in pixels at which files that lie exactly side by side do not count as overlapping."""


def together(
    regions: Sequence[Region],
    *,
    margin: Sequence[float] | None = None,
    labels: Sequence[Hashable] | None = None,
) -> list[list[Region]]:
    """Return groups of files that must all train or all be held out, in order of appearance.

    Files of overlapping ground are in one group, and so are files with the same label. Groups are
    transitive: two files that both overlap a third one are in one group. Grounds within `margin`
    pixels of each other count as overlapping. The groups are found by union-find.
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
    for first, second in _near([*grounds], margin):
        places = grounds[first], grounds[second]
        joined = _root(group, places[0]) == _root(group, places[1])
        if not joined and first.overlaps(second, margin):
            _join(group, *places)
    groups: dict[int, list[Region]] = {}
    for place, region in enumerate(regions):
        groups.setdefault(_root(group, place), []).append(region)
    return list(groups.values())


def ground_of(region: Region) -> Ground | None:
    """Return the ground of a region's whole file, or None if its place is unknown."""
    geometry = region.reader.description.geometry
    return None if geometry is None else geometry.ground


def _near(grounds: Sequence[Ground], margin: Sequence[float]) -> Iterator[tuple[Ground, Ground]]:
    """Yield the pairs of grounds whose surrounding balls touch."""
    if not grounds:
        return
    balls = [ground.ball(margin) for ground in grounds]
    centres, radii = map(np.array, zip(*balls, strict=True))
    for place, ground in enumerate(grounds):
        distances = np.linalg.norm(centres[place + 1 :] - centres[place], axis=1)
        touching = distances <= radii[place + 1 :] + radii[place]
        for step in np.flatnonzero(touching).tolist():
            yield ground, grounds[place + 1 + step]


def _root(group: list[int], place: int) -> int:
    """Return the first file of a group, and shorten the path to it on the way (path halving)."""
    while group[place] != place:
        group[place] = group[group[place]]
        place = group[place]
    return place


def _join(group: list[int], place: int, other: int) -> None:
    first, second = sorted((_root(group, place), _root(group, other)))
    group[second] = first
