"""The shots of a video, which a network that sees several frames at once sees one by one."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.data.places.cuts import cuts_between, steps
from srlab.files import PathLike
from srlab.io import Reader, open_reader
from srlab.io.protocols import Film
from srlab.prediction.grid.spans import shots

log = logging.getLogger(__name__)


def cuts_of(
    source: PathLike, reader: Reader, threshold: float | None, *, leading: int
) -> list[int]:
    """Return the frames of the file `source` that begin a new shot, without the first.

    They are found as for training (`Cuts`). A network does not see the `leading` axes, and if time
    is one of them, no cut matters. Without a `threshold` none is looked for.
    """
    if threshold is None or reader.description.axes[leading].name != "t":
        return []
    if not isinstance(open_reader(source), Film):
        return []
    log.info("looking for cuts in %s (cut_threshold=null: for none)", source)
    found = cuts_between(steps(str(source)), threshold)
    if found:
        log.info(
            "%d cuts, the first at frame %d (cut_threshold); the network does not look across them",
            len(found), found[0],
        )  # fmt: skip
    return found


def longest_shot(reader: Reader, cuts: Sequence[int], *, axis: int) -> Reader:
    """Return a reader of the longest shot, on which tiles are planned and seams are measured."""
    if not cuts:
        return reader
    every = shots(reader.description.shape[axis], cuts)
    return Excerpt(reader, axis, max(every, key=lambda shot: int(shot.stop - shot.start)))


class Excerpt:
    """A reader of a part of a scene along one of its axes, which does not say where it lies."""

    def __init__(self, scene: Reader, axis: int, span: slice) -> None:
        self._scene, self._axis, self._span = scene, axis, span
        whole = scene.description
        shape = list(whole.shape)
        shape[axis] = span.stop - span.start
        self.description = replace(whole, shape=tuple(shape), geometry=None)

    def __str__(self) -> str:
        return str(self._scene)

    def read(self, window: Window) -> NDArray[np.float32]:
        """Read ``(C, *window)`` in physical units, NaN where there is no data."""
        wanted = list(window)
        own = wanted[self._axis]
        first = self._span.start
        wanted[self._axis] = slice(own.start + first, own.stop + first)
        return self._scene.read(tuple(wanted))

    def close(self) -> None:
        """Release the file."""
        self._scene.close()
