"""Folders of images of several dates."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from srlab.axes import check_counts, per_axis
from srlab.data.agreement import check_agreement
from srlab.data.caches import Cache
from srlab.data.cropping import Cropping
from srlab.data.dated import DatedPairing
from srlab.data.files import find_files
from srlab.data.handles import FewOpen, OneOfMany
from srlab.data.informative import Weighting
from srlab.data.masks import Masks
from srlab.data.pairs import Pairing
from srlab.data.parted_files import PartedFiles
from srlab.data.parts import Parts, Size
from srlab.data.scenes import Scenes
from srlab.data.series import by_place
from srlab.data.splits import Split
from srlab.data.symmetries import Symmetry
from srlab.data.usable import SHARE, LeftOut
from srlab.data.values import configured, values_of
from srlab.degradations import Degradation
from srlab.files import PathLike
from srlab.io import Reader, open_reader
from srlab.io.agreement import Check, check_force
from srlab.io.dates import dated
from srlab.mistakes import Mistake

log = logging.getLogger(__name__)


class DatedFolder(PartedFiles):
    """Several dates of each place, which help to super-resolve one of them.

    `root` is a folder or a glob. By the pattern `name`, such as ``{place}/{date}``, the last part
    of a path says place and date (`srlab.data.series.by_place`). The latest date of a place is the
    reference. It and the ones before it, `dates` in number, are channels of LR, the reference
    first. Each is made by `degradation`, and HR is the reference as it was measured.

    Dates that are missing show the reference, and so do pixels that a date lacks or that `mask`
    hides in it. There they add nothing (`srlab.io.dates.DatedReader`). Rasters on other pixels than
    the reference's are resampled onto them. Otherwise this is as `srlab.data.Folder`.

    Raises a `Mistake` if the dates of a place have not the same bands.
    """

    def __init__(
        self,
        *,
        root: str,
        name: str,
        dates: int,
        suffixes: Sequence[str],
        bands: Sequence[int | str],
        scale: int | Sequence[int],
        spatial_dims: int,
        degradation: Degradation,
        crop_size: int | Sequence[int],
        valid_share: float,
        weighting: Weighting,
        symmetries: Sequence[Symmetry],
        mask: int | str | None,
        hidden_classes: Sequence[int],
        channel_dropout: float,
        intensity_jitter: float,
        split: Split,
        validation_size: Size,
        validation_views: int | None,
        test_size: Size,
        unit: str | None,
        data_range: float | None,
        seed: int,
        broken_share: float = SHARE,
        cache: Cache | None = None,
        force: Sequence[Check] = (),
    ) -> None:
        check_force(force)
        check_counts(least=2, dates=dates)
        self.bands, self.dates = tuple(bands), dates
        masks = Masks(mask=mask, hidden_classes=hidden_classes, suffixes=suffixes, cache=cache)
        paths = masks.without_masks(find_files(root, suffixes))
        places = by_place(paths, name, suffixes)
        _tell_of_missing(places, dates)
        left_out = LeftOut(len(places), share=broken_share)
        self.readers = list(self._opened(places, left_out, masks))
        usual = check_agreement(self.readers, force=force)
        own_range, own_unit = data_range, unit
        if own_range is None:
            own_range, own_unit = values_of(self.readers[0])
        self.channel_names = usual.names
        self.hr_channel_names = usual.names[: len(bands)]
        self.unit = unit or own_unit or ""
        self.data_range = own_range
        self.axes = usual.axes
        configured(self, force).check_types(str(self.readers[0]), usual.channels)

        self.scenes = Scenes()
        pairing = Pairing(degradation, per_axis(scale, spatial_dims), seed, self.scenes)
        self.parts = Parts(
            self.readers,
            DatedPairing(pairing, dates),
            left_out,
            cropping=Cropping(
                crop_size=crop_size,
                valid_share=valid_share,
                weighting=weighting,
                symmetries=symmetries,
                channel_dropout=channel_dropout,
                intensity_jitter=intensity_jitter,
            ),
            split=split,
            validation_size=validation_size,
            validation_views=validation_views,
            test_size=test_size,
        )

    def _opened(
        self, places: Sequence[Sequence[PathLike]], left_out: LeftOut, masks: Masks
    ) -> Iterator[Reader]:
        """Open place after place, and leave those out of which a file cannot be opened."""
        few = FewOpen()
        for paths in places:
            try:
                reference, *others = [
                    masks.over(self._kept(path, masks)) for path in paths[: self.dates]
                ]
                yield OneOfMany(dated(reference, others, dates=self.dates), few)
            except Mistake as error:
                left_out.add(str(paths[0]), error)

    def _kept(self, path: PathLike, masks: Masks) -> Reader:
        reader = open_reader(path, bands=self.bands)
        return reader if masks.cache is None else masks.cache.keep(reader, self.bands)


def _tell_of_missing(places: Sequence[Sequence[PathLike]], dates: int) -> None:
    few = [paths[0] for paths in places if len(paths) < dates]
    if few:
        log.info(
            "%d of %d places have fewer than %d dates, such as that of %s: the others show the "
            "reference",
            len(few), len(places), dates, few[0],
        )  # fmt: skip
