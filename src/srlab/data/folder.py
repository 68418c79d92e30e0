"""Any folder of images: photographs, satellite scenes, whatever a reader opens."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

from srlab.axes import per_axis
from srlab.data.agreement import check_agreement
from srlab.data.files import find_files
from srlab.data.handles import FewOpen, OneOfMany
from srlab.data.pairs import FixedViews, Pairing, RandomCrops
from srlab.data.regions import Region, hold_out, views
from srlab.data.scenes import Scenes
from srlab.data.statistics import measure
from srlab.data.usable import Forgiving, LeftOut
from srlab.data.values import configured, values_of
from srlab.degradations import Degradation
from srlab.files import PathLike
from srlab.io import Reader, open_reader
from srlab.io.agreement import Check, check_force
from srlab.io.grey import open_as_colour
from srlab.mistakes import Mistake, UnfitFile
from srlab.normalisers.statistics import Statistics

log = logging.getLogger(__name__)


class Folder:
    """HR images in files, from which LR is made by a degradation.

    `root` is a file, a folder or a glob. Windows are read from disk as they are needed; no scene is
    ever loaded whole. Of several files, `validation_fraction` are held out for validation; of one,
    the end of its longest axis. Validation takes at most `validation_views` views of at most
    `validation_size` pixels a side (null: whole files).

    Files that cannot be opened, are damaged or too small are left out with a warning, unless they
    are too many (`srlab.data.usable.SHARE`). With `grey_as_colour` the band of a grey picture is
    repeated where red, green and blue are wanted.

    All files must agree in the order of their bands, in pixel size and in type, and the type must
    suit `data_range`; `force` leaves checks out (`srlab.io.agreement.Check`). Where `data_range` is
    null, it and `unit` are those of the files' type (`srlab.data.values.values_of`).
    """

    def __init__(
        self,
        *,
        root: str,
        suffixes: Sequence[str],
        bands: Sequence[int | str],
        scale: int | Sequence[int],
        spatial_dims: int,
        degradation: Degradation,
        crop_size: int | Sequence[int],
        augment: bool,
        validation_fraction: float,
        validation_size: int | Sequence[int] | None,
        validation_views: int | None,
        test_size: int | Sequence[int] | None,
        unit: str | None,
        data_range: float | None,
        seed: int,
        grey_as_colour: bool = False,
        force: Sequence[Check] = (),
    ) -> None:
        check_force(force)
        few = FewOpen()
        paths = find_files(root, suffixes)
        self._left_out = LeftOut(len(paths))
        self.readers: list[Reader] = []
        for reader in opened(paths, bands, self._left_out, grey_as_colour=grey_as_colour):
            _check(reader, spatial_dims)
            self.readers.append(OneOfMany(reader, few))
        _tell_of_grey(self.readers)
        usual = check_agreement(self.readers, force=force)
        own_range, own_unit = data_range, unit
        if own_range is None:
            own_range, own_unit = values_of(self.readers[0])
        self.bands = tuple(bands)
        self.channel_names = usual.names
        self.unit = unit or own_unit or ""
        self.data_range = own_range
        self.pixel_size = usual.pixel_size
        configured(self, force).check_types(str(self.readers[0]), usual.channels)

        self._scenes = Scenes()
        self._pairing = Pairing(degradation, per_axis(scale, spatial_dims), seed, self._scenes)
        self._crop_size, self._augment = crop_size, augment
        self._validation_fraction = validation_fraction
        self._validation_size = _sides(validation_size, spatial_dims)
        self._validation_views = validation_views
        self._test_size = _sides(test_size, spatial_dims)

    # Each part is made when it is first used: evaluation needs none of training's crops.

    @cached_property
    def training(self) -> RandomCrops:
        """Random crops of the files that are not held out; those that are too small are left out.

        The place of a crop that cannot be read counts as one without data.
        """
        regions, _ = self._split
        return self._crops(self._fit(regions, self._crops))

    @cached_property
    def validation(self) -> FixedViews:
        """Views of what is held out."""
        _, held_out = self._split
        chosen = views(held_out, size=self._validation_size, count=self._validation_views)
        return self._views(self._fit(chosen, self._views))

    @cached_property
    def test(self) -> FixedViews:
        """Views that cover all files."""
        regions = [Region.whole(reader) for reader in self.readers]
        every = views(regions, size=self._test_size, count=None)
        return self._views(self._fit(every, self._views))

    @cached_property
    def _split(self) -> tuple[list[Region], list[Region]]:
        forgiving = [Forgiving(reader, self._left_out) for reader in self.readers]
        return hold_out([*map(Region.whole, forgiving)], self._validation_fraction)

    def _crops(self, regions: Sequence[Region]) -> RandomCrops:
        return RandomCrops(regions, self._pairing, crop_size=self._crop_size, augment=self._augment)

    def _views(self, regions: Sequence[Region]) -> FixedViews:
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

    def statistics(self) -> Statistics:
        """Measure HR of the training split, in physical units, in one pass."""
        return measure(self.training.scan(), channels=len(self.channel_names))

    def gather_scenes(self, cache: Path) -> None:
        """Measure each file as a whole; from then on, samples carry its ``scene``."""
        self._scenes.gather(self.readers, cache)


def _sides(size: int | Sequence[int] | None, spatial_dims: int) -> tuple[int, ...] | None:
    if size is None:
        return None
    return per_axis(size, spatial_dims)


def opened(
    paths: Sequence[PathLike],
    bands: Sequence[int | str],
    left_out: LeftOut,
    *,
    grey_as_colour: bool,
) -> Iterator[Reader]:
    """Open the files one after the other, and leave those out that cannot be opened."""
    for path in paths:
        try:
            if grey_as_colour:
                yield open_as_colour(path, bands=bands)
            else:
                yield open_reader(path, bands=bands)
        except Mistake as error:
            left_out.add(str(path), error)


def _tell_of_grey(readers: Sequence[Reader]) -> None:
    grey = [reader for reader in readers if "SRLAB_GREY" in reader.description.tags]
    if grey:
        log.info(
            "%d of %d files are grey, such as %s: their band is repeated as colours",
            len(grey), len(readers), grey[0],
        )  # fmt: skip


def _check(reader: Reader, spatial_dims: int) -> None:
    axes = len(reader.description.shape)
    if axes != spatial_dims:
        raise Mistake(
            f"{reader} has {axes} spatial axes and spatial_dims is {spatial_dims}; choose "
            "spatial_dims to fit the files."
        )
