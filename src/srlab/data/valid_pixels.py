"""Valid pixels of files that are mostly empty, for crops that must hold one."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from srlab.data.regions import BLOCK, Region

log = logging.getLogger(__name__)

BLOCKS = 256
"""Blocks of a region that are gone through, or more until one holds a valid pixel."""


def valid_pixels(hr: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return ``(*S)``: where every channel of ``(C, *S)`` has a finite value."""
    valid: NDArray[np.bool_] = np.logical_and.reduce(np.isfinite(hr), axis=0)
    return valid


class ValidPixels:
    """A valid pixel of every part of a region that has one, for regions that are mostly empty.

    A region is gone through at its first need, in each process, and what is found depends on its
    file alone. Of a very large region evenly spread blocks are.
    """

    def __init__(self, regions: Sequence[Region], part: Sequence[int]) -> None:
        self._regions = regions
        self._part = tuple(part)
        self._found: dict[int, NDArray[np.int64]] = {}

    def known_empty(self, number: int) -> bool:
        """Whether a region has turned out to hold no valid pixel at all."""
        return number in self._found and not len(self._found[number])

    def of(self, number: int) -> NDArray[np.int64]:
        """Return ``(N, axes)``: pixels of a region, counted from its own corner."""
        if number not in self._found:
            region = self._regions[number]
            self._found[number] = found = self._search(region)
            if not len(found):
                log.warning(
                    "%s is left out of training: its part for training holds no pixel with a "
                    "value in every band",
                    region.reader,
                )
        return self._found[number]

    def _search(self, region: Region) -> NDArray[np.int64]:
        dims = len(region.shape)
        blocks = list(region.tiled((BLOCK[dims],) * dims))
        found: list[NDArray[np.int64]] = []
        for visited, place in enumerate(np.random.default_rng(0).permutation(len(blocks))):
            if found and visited >= BLOCKS:
                break
            block = blocks[place]
            corners = zip(block.window, region.window, strict=True)
            corner = [own.start - whole.start for own, whole in corners]
            found += [pixel + corner for pixel in self._one_a_part(block)]
        return np.array(found, np.int64).reshape(-1, dims)

    def _one_a_part(self, block: Region) -> Iterator[NDArray[np.int64]]:
        """Yield the middle one of the valid pixels of each part of a block."""
        valid = valid_pixels(block.read())
        if not valid.any():
            return
        whole = Region(block.reader, tuple(slice(0, size) for size in valid.shape))
        for part in whole.tiled(self._part):
            inside = np.argwhere(valid[part.window])
            if len(inside):
                yield inside[len(inside) // 2] + [span.start for span in part.window]
