"""A source of images of several dates of each place."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from srlab.axes import check_counts, per_axis
from srlab.data.caches import Cache, kept
from srlab.data.finding.files import find_files
from srlab.data.finding.handles import FewOpen, OneOfMany
from srlab.data.finding.masks import Masks
from srlab.data.finding.series import by_place
from srlab.data.finding.usable import SHARE, LeftOut
from srlab.data.measuring.agreement import check_agreement
from srlab.data.measuring.scenes import Scenes
from srlab.data.measuring.values import configured, full_scale
from srlab.data.pairing.dated import DatedPairing
from srlab.data.pairing.pairs import Pairing
from srlab.data.places.cropping import Cropping
from srlab.data.places.informative import Weighting
from srlab.data.places.parts import Parts, Size
from srlab.data.places.symmetries import Symmetry
from srlab.data.sources.parted_files import PartedFiles
from srlab.data.splits import Split
from srlab.degradations import Degradation
from srlab.files import PathLike
from srlab.io import Reader, open_reader
from srlab.io.agreement import Check, check_force
from srlab.io.dates import dated
from srlab.mistakes import Mistake

log = logging.getLogger(__name__)


class DatedFolder(PartedFiles):
    """Images of several dates of each place, all of which help to super-resolve the latest one.

    `root` is a folder or a glob. The pattern `name`, such as ``{place}/{date}``, tells place and
    date from the end of a path (`by_place`). The latest date of a place is the
    reference. LR has the channels of the last `dates` dates, the reference first, each degraded by
    `degradation`. HR is the reference as it was measured.

    The reference takes the place of dates that are missing, and of pixels that a date lacks or that
    `mask` hides (`srlab.io.dates.DatedReader`). Rasters on another grid are resampled onto that of
    the reference. The other arguments are those of `srlab.data.Folder`.

    Raises a `Mistake` if the dates of a place differ in their bands.
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
        _log_missing_dates(places, dates)
        left_out = LeftOut(len(places), share=broken_share)
        self.readers = list(self._opened(places, left_out, masks))
        usual = check_agreement(self.readers, force=force)
        self.data_range, own_unit = full_scale(self.readers, data_range)
        self.unit = unit or own_unit
        self.channel_names = usual.names
        self.hr_channel_names = usual.names[: len(bands)]
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
        """Open the places one after the other; one that cannot be opened goes to `left_out`."""
        few = FewOpen()
        for paths in places:
            try:
                reference, *others = [self._masked(path, masks) for path in paths[: self.dates]]
                yield OneOfMany(dated(reference, others, dates=self.dates), few)
            except Mistake as error:
                left_out.add(str(paths[0]), error)

    def _masked(self, path: PathLike, masks: Masks) -> Reader:
        reader = open_reader(path, bands=self.bands)
        return masks.over(kept(reader, self.bands, masks.cache))


def _log_missing_dates(places: Sequence[Sequence[PathLike]], dates: int) -> None:
    incomplete = [paths[0] for paths in places if len(paths) < dates]
    if incomplete:
        log.info(
            "%d of %d places have fewer than %d dates, such as that of %s: the others show the "
            "reference",
            len(incomplete), len(places), dates, incomplete[0],
        )  # fmt: skip
