"""Parts: the training crops, validation views and test views of a source's HR files."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from itertools import chain
from typing import Literal, Protocol, runtime_checkable

from srlab.axes import per_axis
from srlab.data.finding.usable import Forgiving, LeftOut
from srlab.data.pairing.pairs import PairMaker
from srlab.data.places.cropping import Cropping
from srlab.data.places.crops import RandomCrops
from srlab.data.places.cuts import Cuts
from srlab.data.places.fixed_views import FixedViews
from srlab.data.places.regions import Region, aligned, by_file, views
from srlab.data.splits import Parted, Split
from srlab.io import Reader
from srlab.mistakes import UnfitFile

log = logging.getLogger(__name__)

Size = int | Sequence[int] | None
"""HR pixels along each side of a view; None: the whole file or region."""

Part = Literal["all", "training", "validation"]
"""The part of the files that is scored."""


class Parts:
    """The parts of HR files that are used for training, validation and tests.

    `split` decides what is held out. Validation uses at most `validation_views` views of at most
    `validation_size` pixels a side. Each part is made when it is first used, since evaluation needs
    no training crops. Files that are too small or damaged are added to `left_out`. With `cuts`, no
    crop or view of several frames crosses a cut of a video.
    """

    def __init__(
        self,
        readers: Sequence[Reader],
        pairing: PairMaker,
        left_out: LeftOut,
        *,
        cropping: Cropping,
        split: Split,
        validation_size: Size,
        validation_views: int | None,
        test_size: Size,
        cuts: Cuts | None = None,
    ) -> None:
        dims = len(pairing.scale)
        self._readers, self._pairing, self._left_out = readers, pairing, left_out
        self._cropping = cropping
        self._split = split
        self._leading = pairing.leading
        spatial_dims = dims - pairing.leading
        self._validation_size = _sides("validation_size", validation_size, spatial_dims)
        self._validation_views = validation_views
        # Single frames cannot cross a cut.
        self._cuts = None if pairing.leading else cuts
        self._test_size = _sides("test_size", test_size, spatial_dims)

    @cached_property
    def training(self) -> RandomCrops:
        """Random crops of the regions that are not held out."""
        regions = self._uncut(self.parted.training)
        return self._crops(self._fit(regions, self._with_room))

    @cached_property
    def validation(self) -> FixedViews:
        """Views of the regions that are held out."""
        return self._views(self.parted.held_out, self._validation_size, self._validation_views)

    @cached_property
    def test(self) -> FixedViews:
        """Views that cover all files."""
        return self._views([*map(Region.whole, self._readers)], self._test_size, None)

    def scored(self, part: Part) -> FixedViews:
        """Views of the size of those of `test` that cover a part of the files.

        Narrow strips of the training regions, such as those beside a held-out block, are left out.
        """
        if part == "all":
            return self.test
        regions = self.parted.held_out
        if part == "training":
            files = by_file(self.parted.training)
            regions = [*chain.from_iterable(map(_wide, files))]
        return self._views(regions, self._test_size, None)

    @cached_property
    def parted(self) -> Parted:
        """The regions for training, and those that are held out."""
        forgiving = [Forgiving(reader, self._left_out) for reader in self._readers]
        return self._split([*map(Region.whole, forgiving)])

    def _uncut(self, regions: Sequence[Region]) -> Sequence[Region]:
        """Divide regions at the cuts of their videos."""
        return regions if self._cuts is None else self._cuts.divided(regions)

    def _crops(self, regions: Sequence[Region]) -> RandomCrops:
        return RandomCrops(regions, self._pairing, self._cropping)

    def _with_room(self, file: Sequence[Region]) -> Sequence[Region]:
        """Return the regions of a file, or raise an `UnfitFile` if no crop fits into them."""
        self._crops(file)
        return file

    def _views(
        self, regions: Sequence[Region], size: Sequence[int] | None, count: int | None
    ) -> FixedViews:
        """Cut regions into views that begin on multiples of the pairs' step."""
        if size is not None:
            steps = zip(size, self._pairing.step[self._leading :], strict=True)
            size = [max(side // step, 1) * step for side, step in steps]
        usable = self._fit(self._uncut(regions), partial(_usable, use=self._aligned))
        chosen = views(usable, size=size, count=count, leading=self._leading)
        fitting = self._fit(chosen, partial(_usable, use=self._large_enough))
        return FixedViews(fitting, self._pairing)

    def _aligned(self, region: Region) -> Region:
        return aligned(region, self._pairing.step)

    def _large_enough(self, region: Region) -> Region:
        """Return a region, or raise an `UnfitFile` if it is too small for a view."""
        FixedViews([region], self._pairing)
        return region

    def _fit(
        self, regions: Sequence[Region], usable: Callable[[Sequence[Region]], Sequence[Region]]
    ) -> list[Region]:
        """Return the regions of each file for which `usable` raises no `UnfitFile`.

        A whole file that cannot be used counts as left out. A part of one does not: the split may
        have made it too small.
        """
        fit: list[Region] = []
        small: list[UnfitFile] = []
        left_out: list[UnfitFile] = []
        for file in by_file(regions):
            try:
                fit += usable(file)
            except UnfitFile as error:
                if file == [Region.whole(file[0].reader)]:
                    self._left_out.add(str(file[0].reader), error)
                    left_out.append(error)
                else:
                    small.append(error)
        if not fit and (small or left_out):
            raise (small or left_out)[0]
        if small:
            log.warning("%d files or parts of files are not used, as %s", len(small), small[0])
        return fit


@runtime_checkable
class OfParts(Protocol):
    """A source whose files are split."""

    parts: Parts


def _wide(file: Sequence[Region]) -> list[Region]:
    """Return the regions of a file that are at least half as wide as the widest."""
    widest = max(min(region.shape) for region in file)
    return [region for region in file if 2 * min(region.shape) >= widest]


def _usable(regions: Sequence[Region], use: Callable[[Region], Region]) -> list[Region]:
    """Apply `use` to each region, and leave out those that raise an `UnfitFile`.

    Raises an `UnfitFile` if all of them do.
    """
    fit, refused = [], []
    for region in regions:
        try:
            fit.append(use(region))
        except UnfitFile as error:
            refused.append(error)
    if not fit:
        raise refused[0]
    return fit


def _sides(name: str, size: Size, spatial_dims: int) -> tuple[int, ...] | None:
    if size is None:
        return None
    return per_axis(size, spatial_dims, name=name)
