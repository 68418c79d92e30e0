"""A source of HR images in files of any format, from which LR is made."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from srlab.axes import per_axis
from srlab.data.caches import Cache, kept
from srlab.data.finding.files import find_files
from srlab.data.finding.handles import FewOpen, OneOfMany
from srlab.data.finding.masks import Masks
from srlab.data.finding.usable import SHARE, LeftOut
from srlab.data.measuring.agreement import check_agreement
from srlab.data.measuring.scenes import Scenes
from srlab.data.measuring.values import FullScale, configured, full_scale
from srlab.data.pairing.pairs import Pairing
from srlab.data.places.cropping import Cropping
from srlab.data.places.cuts import Cuts
from srlab.data.places.informative import Weighting
from srlab.data.places.leading import leading_axes
from srlab.data.places.parts import Parts, Size
from srlab.data.places.symmetries import Symmetry
from srlab.data.sources.parted_files import PartedFiles
from srlab.data.splits import Split
from srlab.degradations import Degradation
from srlab.files import PathLike
from srlab.io import Reader, open_reader
from srlab.io.agreement import Check, check_force
from srlab.io.grey import open_as_colour
from srlab.mistakes import Mistake

log = logging.getLogger(__name__)


class Folder(PartedFiles):
    """HR images in files, from which LR is made by a degradation.

    `root` is a file, a folder or a glob. Windows are read from disk as they are needed; no scene is
    ever loaded whole. `split` decides what is held out for validation. Validation uses at most
    `validation_views` views of at most `validation_size` pixels a side (null: whole files).

    Files that cannot be opened, are damaged or too small are left out with a warning, unless they
    are more than `broken_share` allows (`LeftOut`). `cache` keeps decoded files.
    With `grey_as_colour`, the band of a grey picture is repeated as red, green and blue. With a
    `cut_threshold`, videos are divided at their cuts (`srlab.data.places.cuts.Cuts`).

    All files must agree in the order of their bands, in pixel size and in type, and the type must
    suit `data_range`. `force` names checks to leave out (`srlab.io.agreement.Check`). A
    `data_range` of null follows from the files' type, and ``measured`` from their values
    (`srlab.data.measuring.values.full_scale`).
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
        data_range: FullScale,
        seed: int,
        broken_share: float = SHARE,
        cache: Cache | None = None,
        grey_as_colour: bool = False,
        cut_threshold: float | None = None,
        force: Sequence[Check] = (),
    ) -> None:
        check_force(force)
        few = FewOpen()
        masks = Masks(mask=mask, hidden_classes=hidden_classes, suffixes=suffixes, cache=cache)
        paths = masks.without_masks(find_files(root, suffixes))
        left_out = LeftOut(len(paths), share=broken_share)
        files = opened(paths, bands, left_out, grey_as_colour=grey_as_colour)
        decoded = (kept(file, bands, cache) for file in files)
        self.readers: list[Reader] = []
        for reader in masks.over_each(decoded, left_out):
            self.readers.append(OneOfMany(reader, few))
        _log_colours(self.readers)
        usual = check_agreement(self.readers, force=force)
        self.data_range, own_unit = full_scale(self.readers, data_range)
        self.bands = tuple(bands)
        self.channel_names = usual.names
        self.unit = unit or own_unit
        leading = leading_axes(str(self.readers[0]), usual, spatial_dims)
        self.axes = usual.axes[leading:]
        configured(self, force).check_types(str(self.readers[0]), usual.channels)

        factors = (1,) * leading + per_axis(scale, spatial_dims)
        self.scenes = Scenes()
        self.parts = Parts(
            self.readers,
            Pairing(degradation, factors, seed, self.scenes, leading),
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
            cuts=None if cut_threshold is None else Cuts(cut_threshold),
        )


def opened(
    paths: Sequence[PathLike],
    bands: Sequence[int | str],
    left_out: LeftOut,
    *,
    grey_as_colour: bool,
) -> Iterator[Reader]:
    """Open the files one after the other; those that cannot be opened go to `left_out`."""
    for path in paths:
        try:
            if grey_as_colour:
                yield open_as_colour(path, bands=bands)
            else:
                yield open_reader(path, bands=bands)
        except Mistake as error:
            left_out.add(str(path), error)


def _log_colours(readers: Sequence[Reader]) -> None:
    """Report how many files are grey or have a palette, which are both read as RGB."""
    notes = {
        "SRLAB_GREY": "are grey and repeated as colours",
        "SRLAB_PALETTE": "have a palette and are read as colours",
    }
    for tag, note in notes.items():
        tagged = [reader for reader in readers if tag in reader.description.tags]
        if tagged:
            log.info("%d of %d files %s, such as %s", len(tagged), len(readers), note, tagged[0])
