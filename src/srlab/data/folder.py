"""Any folder of images: photographs, satellite scenes, whatever a reader opens."""

from __future__ import annotations

from collections.abc import Sequence

from srlab.axes import per_axis
from srlab.data.files import find_files
from srlab.data.handles import FewOpen, OneOfMany
from srlab.data.pairs import FixedViews, Pairing, RandomCrops
from srlab.data.regions import Region, hold_out, views
from srlab.degradations import Degradation
from srlab.io import open_reader
from srlab.mistakes import Mistake


class Folder:
    """HR images in files, from which LR is made by a degradation.

    `root` is a file, a folder or a glob. Windows are read from disk as they are needed; no scene is ever loaded
    whole. Of several files, `validation_fraction` are held out for validation; of one, the end of its longest axis.
    Validation takes at most `validation_views` views of at most `validation_size` pixels a side (null: whole files).
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
        factors = per_axis(scale, spatial_dims)
        few = FewOpen()
        paths = find_files(root, suffixes)
        regions = [Region.whole(OneOfMany(open_reader(path, bands=bands), few)) for path in paths]
        _check(regions, spatial_dims)
        first = regions[0].reader
        self.bands = tuple(bands)
        self.channels = first.channels
        self.unit = unit
        self.data_range = data_range
        self.pixel_size = first.geometry.pixel_size

        def sides(size: int | Sequence[int] | None) -> tuple[int, ...] | None:
            return None if size is None else per_axis(size, spatial_dims)

        pairing = Pairing(degradation, factors, seed)
        training, validation = hold_out(regions, validation_fraction)
        self.training = RandomCrops(training, pairing, crop_size=crop_size, augment=augment)
        self.validation = FixedViews(
            views(validation, size=sides(validation_size), count=validation_views), pairing
        )
        self.test = FixedViews(views(regions, size=sides(test_size), count=None), pairing)


def _check(regions: Sequence[Region], spatial_dims: int) -> None:
    for region in regions:
        if len(region.shape) != spatial_dims:
            raise Mistake(
                f"{region.reader} has {len(region.shape)} spatial axes and spatial_dims is {spatial_dims}; "
                "choose spatial_dims to fit the files."
            )
