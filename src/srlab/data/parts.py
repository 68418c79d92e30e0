"""The training, validation and test parts of HR files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

from srlab.axes import per_axis
from srlab.data.pairs import FixedViews, PairMaker, RandomCrops
from srlab.data.regions import Region, aligned, hold_out, views
from srlab.data.usable import Forgiving, LeftOut
from srlab.io import Reader
from srlab.mistakes import Mistake, UnfitFile

Size = int | Sequence[int] | None
"""HR pixels a side of a view; None: the whole."""


class Parts:
    """What of HR files trains, validates and tests.

    Of several files, `validation_fraction` are held out; of one, the end of its longest axis.
    Validation takes at most `validation_views` views of at most `validation_size` pixels a side.
    Each part is made when it is first used: evaluation needs none of training's crops. Files that
    are too small or damaged are added to `left_out`.

    Raises a `Mistake` if a file has other axes than `pairing` has factors.
    """

    def __init__(
        self,
        readers: Sequence[Reader],
        pairing: PairMaker,
        left_out: LeftOut,
        *,
        crop_size: int | Sequence[int],
        augment: bool,
        validation_fraction: float,
        validation_size: Size,
        validation_views: int | None,
        test_size: Size,
    ) -> None:
        dims = len(pairing.scale)
        for reader in readers:
            _check_axes(reader, dims)
        self._readers, self._pairing, self._left_out = readers, pairing, left_out
        self._crop_size, self._augment = crop_size, augment
        self._validation_fraction = validation_fraction
        self._validation_size = _sides("validation_size", validation_size, dims)
        self._validation_views = validation_views
        self._test_size = _sides("test_size", test_size, dims)

    @cached_property
    def training(self) -> RandomCrops:
        """Random crops of the files that are not held out."""
        regions, _ = self._split
        return self._crops(self._fit(regions, self._crops))

    @cached_property
    def validation(self) -> FixedViews:
        """Views of what is held out."""
        _, held_out = self._split
        return self._views(held_out, self._validation_size, self._validation_views)

    @cached_property
    def test(self) -> FixedViews:
        """Views that cover all files."""
        return self._views([*map(Region.whole, self._readers)], self._test_size, None)

    @cached_property
    def _split(self) -> tuple[list[Region], list[Region]]:
        forgiving = [Forgiving(reader, self._left_out) for reader in self._readers]
        return hold_out([*map(Region.whole, forgiving)], self._validation_fraction)

    def _crops(self, regions: Sequence[Region]) -> RandomCrops:
        return RandomCrops(regions, self._pairing, crop_size=self._crop_size, augment=self._augment)

    def _views(
        self, regions: Sequence[Region], size: Sequence[int] | None, count: int | None
    ) -> FixedViews:
        """Cut regions into views that begin where pairs can."""
        if size is not None:
            steps = zip(size, self._pairing.step, strict=True)
            size = [max(side // step, 1) * step for side, step in steps]
        able = self._aligned(self._fit(regions, self._aligned))
        chosen = views(able, size=size, count=count)
        return self._fixed(self._fit(chosen, self._fixed))

    def _aligned(self, regions: Sequence[Region]) -> list[Region]:
        return [aligned(region, self._pairing.step) for region in regions]

    def _fixed(self, regions: Sequence[Region]) -> FixedViews:
        return FixedViews(regions, self._pairing)

    def _fit(
        self, regions: Sequence[Region], use: Callable[[Sequence[Region]], object]
    ) -> list[Region]:
        """Return the regions of a size that can be used, and leave the files of others out."""
        fit = []
        for region in regions:
            try:
                use([region])
            except UnfitFile as error:
                self._left_out.add(str(region.reader), error)
            else:
                fit.append(region)
        return fit


def _sides(name: str, size: Size, spatial_dims: int) -> tuple[int, ...] | None:
    if size is None:
        return None
    return per_axis(size, spatial_dims, name=name)


def _check_axes(reader: Reader, spatial_dims: int) -> None:
    axes = len(reader.description.shape)
    if axes != spatial_dims:
        raise Mistake(
            f"{reader} has {axes} spatial axes and spatial_dims is {spatial_dims}; choose "
            "spatial_dims to fit the files."
        )
