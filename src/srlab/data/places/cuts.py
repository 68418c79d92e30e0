"""Detection of cuts in videos, and division of regions into shots."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.data.places.regions import Region
from srlab.io import Reader, open_reader
from srlab.io.protocols import Film
from srlab.mistakes import Mistake

log = logging.getLogger(__name__)

AROUND = 2
"""The number of steps before and after a step with which it is compared."""

STILL = 2.0
"""The mean difference of frames, of 255 grey values, that noise and compression may cause."""


class Cuts:
    """Finds the cuts of videos, and divides regions at them.

    A step is the mean absolute difference of two successive frames in grey values. A step is a cut
    if it is at least `threshold` times the median of the two steps before and the two after it.
    Fast pans, passing objects and dissolves are therefore not cuts.

    All frames of a file are decoded once, as thumbnails, in each process that divides it.

    Raises a `Mistake` if the threshold is not above 1.
    """

    def __init__(self, threshold: float) -> None:
        self._threshold = check_threshold(threshold, key="data.cut_threshold")
        self._shots: dict[str, list[Reader]] = {}
        self._found: dict[str, list[int]] = {}

    def divided(self, regions: Sequence[Region]) -> list[Region]:
        """Divide regions at the cuts of their files.

        The regions of each shot get a reader of their own, so no crop reaches from shot to shot.
        """
        self._log_new(regions)
        parts: list[Region] = []
        for region in regions:
            parts += self._divided(region)
        return parts

    def _log_new(self, regions: Sequence[Region]) -> None:
        """Log which files will be decoded, since that may take a while."""
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
        """Return the frames of a file at which a shot begins, without the first frame."""
        name = str(reader)
        if name not in self._found:
            self._found[name] = cuts = cuts_between(steps(name), self._threshold)
            if cuts:
                log.info(
                    "%s has %d cuts, the first at frame %d (data.cut_threshold); no crop crosses "
                    "them",
                    name, len(cuts), cuts[0],
                )  # fmt: skip
        return self._found[name]


class Shot:
    """A reader of the whole file that is used for one of its shots only.

    Crops are drawn from regions of one reader, so shots need readers that are not the same object.
    """

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
    """Return the mean difference of each frame from the one before, in grey values of 0 to 255.

    The list is empty for files that are no videos. It ends early where a file is damaged.
    """
    reader = open_reader(path)
    differences: list[float] = []
    if not isinstance(reader, Film):
        return differences
    try:
        for before, after in pairwise(reader.thumbnails()):
            differences.append(float(np.abs(after.astype(float) - before).mean()))
    except Mistake as error:
        log.warning("cuts are found up to frame %d: %s", len(differences), error)
    return differences


def cuts_between(sizes: Sequence[float], threshold: float) -> list[int]:
    """Return the cuts among steps of some `sizes`, each as the number of the frame after it."""
    cuts = []
    for place, size in enumerate(sizes):
        before = sizes[max(place - AROUND, 0) : place]
        after = sizes[place + 1 : place + 1 + AROUND]
        usual = float(np.median([*before, *after] or [0]))
        if size >= threshold * max(usual, STILL):
            cuts.append(place + 1)
    return cuts
