"""Regions: rectangles of files, and ways to divide and choose them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.data.places.rectangles import corners
from srlab.io import Reader
from srlab.mistakes import Mistake, UnfitFile

BLOCK = {2: 1024, 3: 128}
"""Pixels along each side of the windows in which a region is read, by its number of axes."""


MOST_VIEWS = 10**6
"""The largest number of views that are scored, so that their list fits into memory."""


def block_sides(axes: int) -> tuple[int, ...]:
    """Return the sides of a `BLOCK` of files of some `axes`; 1 before the last three axes."""
    spatial = min(axes, 3)
    return (1,) * (axes - spatial) + (BLOCK[spatial],) * spatial


@dataclass(frozen=True)
class Region:
    """A rectangle of a file."""

    reader: Reader
    window: Window

    @classmethod
    def whole(cls, reader: Reader) -> Region:
        """Return the region of an entire file."""
        return cls(reader, tuple(slice(0, size) for size in reader.description.shape))

    @property
    def shape(self) -> tuple[int, ...]:
        """Pixels along each spatial axis."""
        return tuple(span.stop - span.start for span in self.window)

    def part(self, start: Sequence[int], shape: Sequence[int]) -> Region:
        """Return a smaller rectangle of `shape`; `start` counts from this region's own corner."""
        spans = zip(self.window, start, shape, strict=True)
        window = tuple(slice(own.start + at, own.start + at + size) for own, at, size in spans)
        return Region(self.reader, window)

    def tiled(self, size: Sequence[int]) -> Tiling:
        """Return parts of `size` that cover the region without overlap; smaller at the ends."""
        return Tiling(self, tuple(size))

    def read(self) -> NDArray[np.float32]:
        """Read ``(C, *shape)`` in physical units, NaN where the file holds no data."""
        return self.reader.read(self.window)

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Read the whole region, one window ``(C, *S)`` at a time."""
        axes = len(self.shape)
        sides = block_sides(axes)
        if self.reader.description.axes[0].name == "t":
            sides = (1, *block_sides(axes - 1))  # a video decodes a frame as a whole
        for part in self.tiled(sides):
            yield part.read()


@dataclass(frozen=True)
class Tiling:
    """A sequence of parts of a region, the last axis fastest; each is made when it is indexed.

    It is no list, because a damaged file may claim more pixels than a list of parts could hold.
    """

    region: Region
    size: tuple[int, ...]

    @property
    def counts(self) -> tuple[int, ...]:
        """The number of parts along each axis."""
        sizes = zip(self.region.shape, self.size, strict=True)
        return tuple(-(-own // side) for own, side in sizes)

    def __len__(self) -> int:
        return prod(self.counts)

    def __getitem__(self, number: int) -> Region:
        """Return the part of a `number`, from 0."""
        if not 0 <= number < len(self):
            raise IndexError(number)
        starts: list[int] = []
        for count, side in zip(reversed(self.counts), reversed(self.size), strict=True):
            number, place = divmod(number, count)
            starts.insert(0, place * side)
        left = [own - at for own, at in zip(self.region.shape, starts, strict=True)]
        return self.region.part(starts, [*map(min, self.size, left)])

    def __iter__(self) -> Iterator[Region]:
        return map(self.__getitem__, range(len(self)))


def aligned(region: Region, step: Sequence[int]) -> Region:
    """Return the largest part of a region that begins and ends on multiples of `step` in its file.

    Raises an `UnfitFile` if there is none.
    """
    spans = []
    for span, pixels in zip(region.window, step, strict=True):
        start, stop = -(-span.start // pixels) * pixels, span.stop // pixels * pixels
        if stop <= start:
            raise UnfitFile(
                f"{region.reader} is too small: a part of {region.shape} pixels holds no whole LR "
                f"pixel at scale {tuple(step)}; remove the file, or hold out more of it."
            )
        spans.append(slice(start, stop))
    return Region(region.reader, tuple(spans))


def views(
    regions: Sequence[Region], *, size: Sequence[int] | None, count: int | None, leading: int = 0
) -> list[Region]:
    """Return non-overlapping rectangles of at most `size` pixels along each axis.

    At most `count` are chosen, evenly from all; None chooses all. Along the first `leading` axes
    each has one entry.

    Raises a `Mistake` if `count` is below 1, or there would be more than `MOST_VIEWS`.
    """
    if count is not None and count < 1:
        raise Mistake(f"validation_views is {count}; give a number of views >= 1, or null for all.")
    tilings = []
    for region in regions:
        whole = region.shape[leading:]
        side = (1,) * leading + tuple(map(min, whole, size or whole))
        full = [own // by * by for own, by in zip(region.shape, side, strict=True)]
        tilings.append(region.part([0] * len(full), full).tiled(side))
    total = sum(map(len, tilings))
    wanted = total if count is None else min(count, total)
    if wanted > MOST_VIEWS:
        raise Mistake(
            f"{regions[0].reader} and the other files would make {total} views, and at most "
            f"{MOST_VIEWS} are scored: choose fewer or larger ones by data.test_size or "
            "data.validation_views."
        )
    ends = np.cumsum([len(tiling) for tiling in tilings])
    chosen = []
    for place in evenly(total, wanted):
        number = int(np.searchsorted(ends, place, side="right"))
        chosen.append(tilings[number][place - int(ends[number]) + len(tilings[number])])
    return chosen


def evenly(length: int, count: int) -> list[int]:
    """Return `count` indices that are spread evenly over a list of `length`."""
    return [int((index + 0.5) * length / count) for index in range(count)]


def by_file(regions: Sequence[Region]) -> list[list[Region]]:
    """Group regions by file, in the order in which the files first appear."""
    files: dict[int, list[Region]] = {}
    for region in regions:
        files.setdefault(id(region.reader), []).append(region)
    return list(files.values())


def where_crops_fit(
    file: Sequence[Region], crop: Sequence[int], step: Sequence[int]
) -> list[Region]:
    """Return regions of a file from which crops can be drawn, given the parts that may be used.

    Every crop in such a region lies in the union of the parts. The regions begin on multiples of
    `step`. They may overlap, but no two share a place where a crop may begin.

    Raises an `UnfitFile` if no crop fits.
    """
    reader, fitting = file[0].reader, []
    for places in corners([part.window for part in file], crop):
        spans = []
        for span, side, pixels in zip(places, crop, step, strict=True):
            first, last = -(-span.start // pixels), (span.stop - 1) // pixels
            spans.append(slice(first * pixels, last * pixels + side))
        region = Region(reader, tuple(spans))
        if all(own >= side for own, side in zip(region.shape, crop, strict=True)):
            fitting.append(region)
    if not fitting:
        largest = max((part.shape for part in file), key=np.prod)
        raise UnfitFile(
            f"a training crop of {tuple(crop)} pixels (data.crop_size) does not fit into {reader}, "
            f"of which {largest} pixels are for training; lower data.crop_size or remove the file."
        )
    return fitting
