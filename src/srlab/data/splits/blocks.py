"""Blocks: a split that holds out blocks of each file, with a gap around them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import compress

import numpy as np

from srlab.axes import Window, per_axis
from srlab.data.places.regions import Region
from srlab.data.splits.ground import together
from srlab.data.splits.mosaic import LARGE, Mosaic
from srlab.data.splits.protocol import Parted
from srlab.data.splits.shares import checked_fraction, share_of
from srlab.mistakes import Mistake

log = logging.getLogger(__name__)


class Blocks:
    """Holds out randomly drawn blocks of each file, and a gap around them from training.

    Files are divided evenly into blocks of at most `size` pixels a side. A share of `fraction` of
    all blocks is held out, and nothing within `gap` pixels of them is used for training. `size` and
    `gap` are HR pixels, one number or one for each axis.

    Files of the same ground, or within the gap of each other, are divided as one image, so that
    their blocks agree. If such files lie on different grids, they count as one block.
    """

    def __init__(
        self, *, size: int | Sequence[int], gap: int | Sequence[int], fraction: float, seed: int
    ) -> None:
        self.size, self.gap, self.seed = size, gap, seed
        self.fraction = checked_fraction(fraction)

    def __call__(self, regions: Sequence[Region]) -> Parted:
        """Split regions, each of a whole file.

        Raises a `Mistake` if there are fewer than two blocks, or the gap leaves nothing to train
        on.
        """
        dims = len(regions[0].shape)
        size = _of_each_axis(self.size, dims, name="split.size", least=1)
        gap = _of_each_axis(self.gap, dims, name="split.gap", least=0)
        mosaics = [_laid_out(group) for group in together(regions, margin=gap)]
        blocks_of_each = [mosaic.blocks(size) for mosaic in mosaics]
        number = sum(map(len, blocks_of_each))
        if number < 2:
            raise Mistake(
                f"{mosaics[0].alone}, and two blocks are wanted at least (split.size={self.size}): "
                "lower split.size, or choose other files or another split."
            )
        order = np.random.default_rng(self.seed).permutation(number)
        held = np.zeros(number, bool)
        held[order[: share_of(number, self.fraction)]] = True
        parted = Parted([], [])
        first = 0
        for mosaic, blocks in zip(mosaics, blocks_of_each, strict=True):
            held_here = held[first : first + len(blocks)]
            first += len(blocks)
            held_blocks = [*compress(blocks, held_here)]
            part = mosaic.parted(held_blocks, gap=gap, least=LARGE)
            parted.training.extend(part.training)
            parted.held_out.extend(part.held_out)
        if not parted.training:
            raise Mistake(
                f"split.gap={self.gap} around blocks of split.size={self.size} leaves nothing to "
                "train on; lower either, or split.fraction."
            )
        return parted


class OneBlock:
    """Files of one ground on different grids, which are either all held out, or none of them."""

    alone = "the files cover the same ground on different grids and count as one block"

    def __init__(self, regions: Sequence[Region]) -> None:
        self.regions = list(regions)

    def blocks(self, size: Sequence[int]) -> list[Window]:
        """Return the only block, as a window without axes: its place does not matter."""
        return [()]

    def parted(self, held: Sequence[Window], *, gap: Sequence[int], least: float) -> Parted:
        """Hold out all files if the only block is held out, and train on all otherwise."""
        return Parted([], self.regions) if held else Parted(self.regions, [])


def _of_each_axis(
    value: int | Sequence[int], axes: int, *, name: str, least: int
) -> tuple[int, ...]:
    """Return one number for each axis of the files, which may have more axes than images do."""
    entries = value if isinstance(value, Sequence) else [value] * axes
    return per_axis(entries, axes, name=name, least=least)


def _laid_out(group: Sequence[Region]) -> Mosaic | OneBlock:
    """Join files of one ground to a mosaic if they lie on one grid."""
    mosaic = Mosaic.of(group)
    if mosaic is not None:
        return mosaic
    log.warning(
        "%d files of one ground have different grids, such as %s and %s: they count as one block",
        len(group), group[0].reader, group[1].reader,
    )  # fmt: skip
    return OneBlock(group)
