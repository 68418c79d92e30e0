"""Blocks of ground for validation, with a gap around them."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from srlab.axes import Window, per_axis
from srlab.data.regions import Region
from srlab.data.splits.ground import together
from srlab.data.splits.mosaic import LARGE, Mosaic
from srlab.data.splits.protocol import Parted
from srlab.data.splits.shares import checked_fraction, share_of
from srlab.mistakes import Mistake

log = logging.getLogger(__name__)


class Blocks:
    """Holds out blocks of each file, drawn at random; nothing within `gap` pixels trains.

    Files are divided evenly into blocks of at most `size` pixels a side, and a share of `fraction`
    of all blocks is held out. `size` and `gap` are HR pixels, one number or one for each axis.

    Files of one ground are divided as one image, so that their blocks agree. So are files within
    the gap of each other. Such files on different grids count as one block.
    """

    def __init__(
        self, *, size: int | Sequence[int], gap: int | Sequence[int], fraction: float, seed: int
    ) -> None:
        self.size, self.gap, self.seed = size, gap, seed
        self.fraction = checked_fraction(fraction)

    def __call__(self, regions: Sequence[Region]) -> Parted:
        """Split regions, each of a whole file.

        Raises a `Mistake` if there are less than two blocks, or the gap leaves nothing to train on.
        """
        dims = len(regions[0].shape)
        size = _of_each_axis(self.size, dims, name="split.size", least=1)
        gap = _of_each_axis(self.gap, dims, name="split.gap", least=0)
        grounds = [_laid_out(group) for group in together(regions, margin=gap)]
        blocks = [(at, block) for at, ground in enumerate(grounds) for block in ground.blocks(size)]
        if len(blocks) < 2:
            raise Mistake(
                f"{grounds[0].alone}, and two blocks are wanted at least (split.size={self.size}): "
                "lower split.size, or choose other files or another split."
            )
        order = np.random.default_rng(self.seed).permutation(len(blocks))
        held = sorted(order[: share_of(len(blocks), self.fraction)])
        parted = Parted([], [])
        for at, ground in enumerate(grounds):
            own = [blocks[place][1] for place in held if blocks[place][0] == at]
            part = ground.parted(own, gap=gap, least=LARGE)
            parted.training.extend(part.training)
            parted.held_out.extend(part.held_out)
        if not parted.training:
            raise Mistake(
                f"split.gap={self.gap} around blocks of split.size={self.size} leaves nothing to "
                "train on; lower either, or split.fraction."
            )
        return parted


class OneBlock:
    """Files of one ground on different grids: all of them are held out, or none."""

    alone = "the files cover the same ground on different grids and count as one block"

    def __init__(self, regions: Sequence[Region]) -> None:
        self.regions = list(regions)

    def blocks(self, size: Sequence[int]) -> list[Window]:
        """Return the one block there is, of no certain place."""
        return [()]

    def parted(self, held: Sequence[Window], *, gap: Sequence[int], least: float) -> Parted:
        """Hold out all files, if the one block is held out."""
        return Parted([], self.regions) if held else Parted(self.regions, [])


def _of_each_axis(
    value: int | Sequence[int], axes: int, *, name: str, least: int
) -> tuple[int, ...]:
    """Give a number for each axis of files, which may have more axes than images have."""
    entries = value if isinstance(value, Sequence) else [value] * axes
    return per_axis(entries, axes, name=name, least=least)


def _laid_out(group: Sequence[Region]) -> Mosaic | OneBlock:
    mosaic = Mosaic.of(group)
    if mosaic is not None:
        return mosaic
    log.warning(
        "%d files of one ground have different grids, such as %s and %s: they count as one block",
        len(group), group[0].reader, group[1].reader,
    )  # fmt: skip
    return OneBlock(group)
