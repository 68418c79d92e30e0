"""Search for crops that hold enough data, in files where most crops hold too little."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from srlab.axes import relative
from srlab.data.places.rectangles import grown
from srlab.data.places.regions import Region, block_sides
from srlab.io import Reader
from srlab.mistakes import Mistake

log = logging.getLogger(__name__)

BLOCKS = 256
"""The number of blocks of a region that are searched; more, until one holds a valid crop."""

CELLS = 16
"""The number of cells along each side of a block; only a cell's count of places is kept."""


def valid_pixels(hr: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return ``(*S)``: true where every channel of ``(C, *S)`` has a finite value."""
    valid: NDArray[np.bool_] = np.logical_and.reduce(np.isfinite(hr), axis=0)
    return valid


def least_pixels(valid_share: float, crop: Sequence[int]) -> int:
    """Return the number of valid pixels that a crop must hold: `valid_share` of all, at least 1.

    Raises a `Mistake` unless the share lies between 0 and 1.
    """
    if not 0 <= valid_share <= 1:
        raise Mistake(
            f"data.valid_share is {valid_share}; give the share of a crop's pixels that must hold "
            "data, from 0 to 1."
        )
    # 0.07 of 100 pixels are 7, and 7.000000000000001 in floating point.
    return max(1, math.ceil(valid_share * math.prod(crop) - 1e-6))


MOST_EMPTY = 2048
"""The number of blocks without a valid place after which a region counts as empty.

A damaged file may claim any number of pixels, none of which can be read.
"""


class ValidPlaces:
    """The places in regions where a crop holds at least `least` valid pixels.

    All such places of a region are equally likely to be drawn. A crop may begin on multiples of
    `step`, counted from the region's corner. A region is searched when it is first needed, in each
    process, with a result that depends on its file alone. Of a very large region only randomly
    chosen blocks are searched. One number for each cell of places is kept in memory.
    """

    def __init__(
        self, regions: Sequence[Region], *, crop: Sequence[int], step: Sequence[int], least: int
    ) -> None:
        self._regions, self._least = regions, least
        self._crop, self._step = tuple(crop), tuple(step)
        self._block = block_sides(len(crop))
        sides = zip(crop, step, self._block, strict=True)
        self._cell = [-(-max(side, block // CELLS) // by) * by for side, by, block in sides]
        self._found: dict[int, tuple[NDArray[np.int64], NDArray[np.int64]]] = {}

    def known_empty(self, number: int) -> bool:
        """Whether a region was searched and holds no valid place."""
        return number in self._found and not len(self._found[number][0])

    def draw(self, number: int, random: np.random.Generator) -> Region | None:
        """Draw a crop of a region, or return None if it holds no valid place."""
        region = self._regions[number]
        whole = self._places(region)
        if number not in self._found:
            self._found[number] = self._search(whole)
            self._warn_if_empty(region.reader)
        corners, counts = self._found[number]
        if not len(corners):
            return None
        corner = random.choice(corners, p=counts / counts.sum())
        sizes = zip(self._cell, whole.shape, corner, strict=True)
        cell = whole.part(corner, [min(side, own - at) for side, own, at in sizes])
        starts = np.argwhere(self._fitting(cell))
        return region.part([*map(int, corner + random.choice(starts))], self._crop)

    def _warn_if_empty(self, reader: Reader) -> None:
        """Warn if all regions of a file were searched and hold no valid place."""
        own = [number for number, region in enumerate(self._regions) if region.reader is reader]
        if all(map(self.known_empty, own)):
            log.warning(
                "%s is left out of training: no crop of it holds a value in every band in %d of "
                "%d pixels (data.valid_share)",
                reader, self._least, math.prod(self._crop),
            )  # fmt: skip

    def _places(self, region: Region) -> Region:
        """Return the pixels at which a crop may begin."""
        sizes = zip(region.shape, self._crop, strict=True)
        return region.part([0] * len(self._crop), [own - side + 1 for own, side in sizes])

    def _search(self, whole: Region) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the corners ``(N, axes)`` of cells with valid places, and the number in each."""
        sides = zip(self._block, self._cell, strict=True)
        blocks = whole.tiled([max(block // side, 1) * side for block, side in sides])
        most = min(len(blocks), max(BLOCKS, MOST_EMPTY))
        drawn = np.random.default_rng(0).choice(len(blocks), most, replace=False)
        corners: list[list[int]] = []
        counts: list[int] = []
        for visited, number in enumerate(drawn):
            if visited >= (BLOCKS if counts else MOST_EMPTY):
                break
            for cell, count in self._counted(blocks[int(number)]):
                spans = zip(cell.window, whole.window, strict=True)
                corners.append([own.start - first.start for own, first in spans])
                counts.append(count)
        return np.array(corners, np.int64).reshape(-1, len(self._crop)), np.array(counts, np.int64)

    def _counted(self, block: Region) -> Iterator[tuple[Region, int]]:
        """Yield each cell of a block that holds valid places, and their number."""
        fitting = self._fitting(block)
        for cell in block.tiled(self._cell):
            count = np.count_nonzero(fitting[relative(cell.window, block.window)])
            if count:
                yield cell, int(count)

    def _fitting(self, places: Region) -> NDArray[np.bool_]:
        """Return ``(*S)``: true at each of some pixels where a crop that begins there is valid."""
        pixels = grown(places.window, [0] * len(self._crop), [side - 1 for side in self._crop])
        valid = valid_pixels(Region(places.reader, pixels).read())
        fitting = np.zeros(places.shape, bool)
        steps = tuple(slice(None, None, by) for by in self._step)
        fitting[steps] = sums_of_boxes(valid, self._crop)[steps] >= self._least
        return fitting


def sums_of_boxes(values: NDArray[np.bool_], shape: Sequence[int]) -> NDArray[np.int64]:
    """Return the number of true values in the box of `shape` that begins at each pixel.

    Boxes that would reach beyond the end are left out.
    """
    sums = values.astype(np.int64)
    for axis, side in enumerate(shape):
        # The sum of a box is the sum before its end, minus the sum before its start.
        before = np.insert(sums.cumsum(axis), 0, 0, axis=axis).swapaxes(0, axis)
        sums = (before[side:] - before[:-side]).swapaxes(0, axis)
    return sums
