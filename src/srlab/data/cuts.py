"""Cuts in videos: what lies on one side of a cut is seen apart from what lies on the other."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.data.regions import Region
from srlab.io import Reader, open_reader
from srlab.io.protocols import Film
from srlab.mistakes import Mistake

log = logging.getLogger(__name__)

AROUND = 2
"""The steps before and after one by which it is judged."""

STILL = 2.0
"""Grey values of 255 by which frames of a still camera may differ, as by noise and compression."""


class Cuts:
    """Finds where a video is cut, and divides it there.

    A step from one frame to the next is their mean difference in grey values. At a cut it is
    `threshold` times as large as the median of the two before and the two after it. Then a fast
    pan or a passing car is none. A dissolve from shot to shot is none, either.

    The frames of a file are gone through small, once in each process that divides it.

    Raises a `Mistake` if the threshold is not above 1.
    """

    def __init__(self, threshold: float) -> None:
        self._threshold = check_threshold(threshold, key="data.cut_threshold")
        self._shots: dict[str, list[Reader]] = {}
        self._found: dict[str, list[int]] = {}

    def divided(self, regions: Sequence[Region]) -> list[Region]:
        """Divide regions at the cuts of their files.

        Those of one shot, and no others, have a reader in common. So no crop reaches into another.
        """
        self._tell_of_new(regions)
        parts: list[Region] = []
        for region in regions:
            parts += self._divided(region)
        return parts

    def _tell_of_new(self, regions: Sequence[Region]) -> None:
        """Say what takes a while: each file is decoded once."""
        new = {str(region.reader) for region in regions}.difference(self._found)
        if new:
            log.info(
                "looking for cuts in %d files, such as %s (data.cut_threshold=null: in none)",
                len(new), min(new),
            )  # fmt: skip

    def _divided(self, region: Region) -> Iterator[Region]:
        reader = region.reader
        names = [axis.name for axis in reader.description.axes]
        cuts = self._cuts(reader) if "t" in names else []
        if not cuts:
            yield region
            return
        time = names.index("t")
        span = region.window[time]
        edges = [0, *cuts, reader.description.shape[time]]
        shots = self._shots.setdefault(str(reader), [Shot(reader) for _ in edges[1:]])
        for shot, (start, stop) in zip(shots, pairwise(edges), strict=True):
            start, stop = max(start, span.start), min(stop, span.stop)
            if start < stop:
                window = [*region.window]
                window[time] = slice(start, stop)
                yield Region(shot, tuple(window))

    def _cuts(self, reader: Reader) -> list[int]:
        """Return the frames of a file that begin a shot, without the first."""
        name = str(reader)
        if name not in self._found:
            self._found[name] = found = cuts_between(steps(name), self._threshold)
            if found:
                log.info(
                    "%s has %d cuts, the first at frame %d (data.cut_threshold); no crop crosses "
                    "them",
                    name, len(found), found[0],
                )  # fmt: skip
        return self._found[name]


class Shot:
    """A reader of a whole file, as which it stands for one of its shots."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.description = reader.description

    def __str__(self) -> str:
        return str(self._reader)

    def read(self, window: Window) -> NDArray[np.float32]:
        """Read ``(C, *window)`` in physical units, NaN where there is no data."""
        return self._reader.read(window)

    def close(self) -> None:
        """Release the file."""
        self._reader.close()


def check_threshold(threshold: float, *, key: str) -> float:
    """Return a threshold, and raise a `Mistake` that names its `key` if it is not above 1."""
    if not threshold > 1:
        raise Mistake(
            f"{key} is {threshold}; give how many times as large as its neighbours the step at a "
            "cut is, above 1 such as 3, or null for no cuts."
        )
    return threshold


def steps(path: str) -> list[float]:
    """Return by how much each frame of a file differs from the one before; none of other files.

    Where a file is damaged they end: it is left out when it is read there.
    """
    reader = open_reader(path)
    found: list[float] = []
    if not isinstance(reader, Film):
        return found
    try:
        for before, after in pairwise(reader.thumbnails()):
            found.append(float(np.abs(after.astype(float) - before).mean()))
    except Mistake as error:
        log.warning("cuts are found up to frame %d: %s", len(found), error)
    return found


def cuts_between(sizes: Sequence[float], threshold: float) -> list[int]:
    """Return the steps that lead across a cut, each as the number of the frame it leads to."""
    cuts = []
    for place, size in enumerate(sizes):
        around = [*sizes[max(place - AROUND, 0) : place], *sizes[place + 1 : place + 1 + AROUND]]
        if size >= threshold * max(float(np.median(around or [0])), STILL):
            cuts.append(place + 1)
    return cuts
