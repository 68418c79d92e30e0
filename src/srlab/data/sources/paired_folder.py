"""A source of measured LR and HR files in two folders, matched by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from srlab.axes import per_axis
from srlab.data.caches import Cache, kept
from srlab.data.finding.files import find_files
from srlab.data.finding.guides import Guides, guide_files
from srlab.data.finding.handles import FewOpen, OneOfMany
from srlab.data.finding.masks import Masks
from srlab.data.finding.partners import Named, partners
from srlab.data.finding.usable import SHARE, Forgiving, LeftOut
from srlab.data.measuring.agreement import check_agreement
from srlab.data.measuring.scenes import Scenes
from srlab.data.measuring.values import configured, full_scale
from srlab.data.pairing.real_pairs import RealPairs
from srlab.data.places.cropping import Cropping
from srlab.data.places.informative import Weighting
from srlab.data.places.leading import leading_axes
from srlab.data.places.parts import Parts, Size
from srlab.data.places.symmetries import Symmetry
from srlab.data.sources.parted_files import PartedFiles
from srlab.data.splits import Split
from srlab.files import PathLike
from srlab.io import Reader, open_reader
from srlab.io.agreement import Check, check_force
from srlab.io.guided import Layout
from srlab.mistakes import Mistake
from srlab.normalisers.statistics import Statistics


class PairedFolder(PartedFiles):
    """Pairs of LR and HR from two folders, matched by the files' names.

    `lr_root` and `root` (HR) are each a file, a folder or a glob. A file's name without its ending
    must fit `lr_name` or `hr_name`, such as ``{name}x4``. Files of one ``{name}`` are a pair; the
    others are left out, and a warning lists them. HR has exactly `scale` times the pixels of LR.
    Both have the same bands. A pair with a file that cannot be opened is left out with a warning,
    unless there are more than `broken_share` allows (`srlab.data.finding.usable.LeftOut`).

    LR may have finer `guides` as well, like those of `srlab.data.GuidedFolder`. They are bands of
    the LR file, or of the file in `guide_root` with the same ``{name}``. The other arguments are
    those of `srlab.data.Folder`; sizes are in HR pixels.

    Raises a `Mistake` if no files form a pair, or the sizes or bands of a pair do not fit.
    """

    def __init__(
        self,
        *,
        lr_root: str,
        root: str,
        lr_name: str,
        hr_name: str,
        suffixes: Sequence[str],
        bands: Sequence[int | str],
        scale: int | Sequence[int],
        spatial_dims: int,
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
        guides: Sequence[int | str] = (),
        guide_root: str | None = None,
        guide_name: str = "{name}",
        guide_ratio: int | Sequence[int] = 1,
        force: Sequence[Check] = (),
    ) -> None:
        check_force(force)
        factors = per_axis(scale, spatial_dims)
        masks = Masks(mask=mask, hidden_classes=hidden_classes, suffixes=suffixes, cache=cache)
        lr_files = find_files(lr_root, suffixes, key="data.lr_root")
        low = Named("LR", "data.lr_name", lr_name, lr_files)
        high = Named("HR", "data.hr_name", hr_name, masks.without_masks(find_files(root, suffixes)))
        paths = partners(low, high, suffixes=suffixes)
        beside = Guides(
            bands=tuple(guides),
            ratio=per_axis(guide_ratio, spatial_dims, name="guide_ratio") if guides else (),
            files=guide_files(low, guide_root, guide_name, suffixes=suffixes),
            cache=cache,
        )
        paths = [pair for pair in paths if pair[0] in beside.files]
        self.guides, self.guide_ratio = beside.bands, beside.ratio
        left_out = LeftOut(len(paths), share=broken_share)
        pairs = list(_opened(paths, bands, factors, left_out, masks, beside))
        self.readers = [lr for lr, _ in pairs]
        self.hr_readers = [hr for _, hr in pairs]
        usual = check_agreement(self.readers, force=force)
        usual_hr = check_agreement(self.hr_readers, force=force)
        self.data_range, own_unit = full_scale(self.hr_readers, data_range)
        self.unit = unit or own_unit
        self.bands = tuple(bands)
        self.channel_names = usual.names
        leading = leading_axes(str(self.hr_readers[0]), usual_hr, spatial_dims)
        self.axes = usual.axes[leading:]
        self.hr_axes = usual_hr.axes[leading:]
        expected = configured(self, force)
        expected.check_types(str(self.readers[0]), usual.channels)
        expected.check_types(str(self.hr_readers[0]), usual_hr.channels)

        self.scenes = Scenes()
        lr_of_hr = {str(hr): Forgiving(lr, left_out) for lr, hr in pairs}
        layout = Layout(len(bands), self.guide_ratio) if guides else None
        file_scale = (1,) * leading + factors
        self.parts = Parts(
            self.hr_readers,
            RealPairs(lr_of_hr, file_scale, seed, self.scenes, leading, layout=layout),
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

    def statistics(self) -> Statistics:
        """Measure HR of the training split in one pass; with guides, measure LR instead.

        LR has the guides as channels, and a normaliser needs their statistics as well.
        """
        return self.lr_statistics() if self.guides else super().statistics()


def _opened(
    paths: Sequence[tuple[PathLike, PathLike]],
    bands: Sequence[int | str],
    scale: Sequence[int],
    left_out: LeftOut,
    masks: Masks,
    beside: Guides,
) -> Iterator[tuple[Reader, Reader]]:
    """Open the pairs one after the other; a pair that cannot be opened goes to `left_out`."""
    few = FewOpen()
    for lr_path, hr_path in paths:
        try:
            lr = kept(open_reader(lr_path, bands=bands), bands, masks.cache)
            hr = masks.over(kept(open_reader(hr_path, bands=bands), bands, masks.cache))
            with_guides = beside.beside(lr, lr_path)
        except Mistake as error:
            left_out.add(str(hr_path), error)
            continue
        _check_pair(lr, hr, scale)
        yield OneOfMany(with_guides, few), OneOfMany(hr, few)


def _check_pair(lr: Reader, hr: Reader, scale: Sequence[int]) -> None:
    """Raise a `Mistake` if the sizes or the order of the bands of a pair do not fit."""
    leading = leading_axes(str(lr), lr.description, len(scale))
    factors = (1,) * leading + tuple(scale)
    sizes = zip(lr.description.shape, factors, strict=True)
    wanted = tuple(size * factor for size, factor in sizes)
    if hr.description.shape != wanted:
        raise Mistake(
            f"{hr} has {hr.description.shape} pixels and {lr} has {lr.description.shape}; at scale "
            f"{tuple(scale)} HR must have {wanted}: set scale, or crop or remove the pair."
        )
    hr_names, lr_names = hr.description.names, lr.description.names
    if hr_names != lr_names and sorted(hr_names) == sorted(lr_names):
        raise Mistake(
            f"{hr} has the bands {', '.join(hr_names)} and {lr} {', '.join(lr_names)}, in another "
            "order: choose data.bands by name."
        )
