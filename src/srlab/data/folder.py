"""Any folder of images: photographs, satellite scenes, whatever a reader opens."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from srlab.axes import per_axis
from srlab.data.files import find_files
from srlab.data.handles import FewOpen, OneOfMany
from srlab.data.pairs import FixedViews, Pairing, RandomCrops
from srlab.data.regions import Region, hold_out, views
from srlab.data.scenes import Scenes
from srlab.data.statistics import measure
from srlab.degradations import Degradation
from srlab.io import open_reader
from srlab.mistakes import Mistake
from srlab.normalisers.statistics import Statistics


class Folder:
    """HR images in files, from which LR is made by a degradation.

    `root` is a file, a folder or a glob. Windows are read from disk as they are needed; no scene is
    ever loaded whole. Of several files, `validation_fraction` are held out for validation; of one,
    the end of its longest axis. Validation takes at most `validation_views` views of at most
    `validation_size` pixels a side (null: whole files).
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
        unit: str,
        data_range: float,
        seed: int,
    ) -> None:
        few = FewOpen()
        paths = find_files(root, suffixes)
        self._readers = [OneOfMany(open_reader(path, bands=bands), few) for path in paths]
        regions = [Region.whole(reader) for reader in self._readers]
        _check(regions, spatial_dims)
        first = self._readers[0].description
        self.bands = tuple(bands)
        self.channel_names = first.names
        self.unit = unit
        self.data_range = data_range
        self.pixel_size = first.pixel_size

        self._scenes = Scenes()
        pairing = Pairing(degradation, per_axis(scale, spatial_dims), seed, self._scenes)
        training, held_out = hold_out(regions, validation_fraction)
        fixed = views(held_out, size=_sides(validation_size, spatial_dims), count=validation_views)
        every = views(regions, size=_sides(test_size, spatial_dims), count=None)
        self.training = RandomCrops(training, pairing, crop_size=crop_size, augment=augment)
        self.validation = FixedViews(fixed, pairing)
        self.test = FixedViews(every, pairing)

    def statistics(self) -> Statistics:
        """Measure HR of the training split, in physical units, in one pass."""
        return measure(self.training.scan(), channels=len(self.channel_names))

    def gather_scenes(self, cache: Path) -> None:
        """Measure each file as a whole; from then on, samples carry its ``scene``."""
        self._scenes.gather(self._readers, cache)


def _sides(size: int | Sequence[int] | None, spatial_dims: int) -> tuple[int, ...] | None:
    if size is None:
        return None
    return per_axis(size, spatial_dims)


def _check(regions: Sequence[Region], spatial_dims: int) -> None:
    for region in regions:
        if len(region.shape) != spatial_dims:
            raise Mistake(
                f"{region.reader} has {len(region.shape)} spatial axes and spatial_dims is "
                f"{spatial_dims}; choose spatial_dims to fit the files."
            )
