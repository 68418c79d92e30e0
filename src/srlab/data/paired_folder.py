"""Folders of LR and HR files that were both measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from srlab.axes import per_axis
from srlab.data.agreement import check_agreement
from srlab.data.caches import Cache
from srlab.data.cropping import Cropping
from srlab.data.files import find_files
from srlab.data.guides import Guides, guide_files
from srlab.data.handles import FewOpen, OneOfMany
from srlab.data.informative import Weighting
from srlab.data.leading import leading_axes
from srlab.data.masks import Masks
from srlab.data.parted_files import PartedFiles
from srlab.data.partners import Named, partners
from srlab.data.parts import Parts, Size
from srlab.data.real_pairs import RealPairs
from srlab.data.scenes import Scenes
from srlab.data.splits import Split
from srlab.data.symmetries import Symmetry
from srlab.data.usable import SHARE, Forgiving, LeftOut
from srlab.data.values import configured, values_of
from srlab.files import PathLike
from srlab.io import Description, Reader, open_reader
from srlab.io.agreement import Check, check_force
from srlab.io.guided import Layout
from srlab.mistakes import Mistake
from srlab.normalisers.statistics import Statistics


class PairedFolder(PartedFiles):
    """Pairs of LR and HR from two folders, matched by the files' names.

    `lr_root` and `root` (HR) are each a file, a folder or a glob. A file's name without its ending
    must fit `lr_name` or `hr_name`, such as ``{name}x4``. Files of one ``{name}`` are a pair; the
    others are left out, and a warning lists them. HR has exactly `scale` times the pixels of LR.
    Both have the same bands. Pairs of which a file cannot be opened are left out with a warning,
    unless they are more than `broken_share` allows (`srlab.data.usable.LeftOut`).

    LR may have finer `guides` besides, as those of `srlab.data.GuidedFolder`. They lie in LR's own
    file, or in that with its ``{name}`` in `guide_root`. Otherwise this is as `srlab.data.Folder`;
    sizes are HR pixels.

    Raises a `Mistake` if nothing fits together, or the sizes or bands of a pair do not.
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
        own_range, own_unit = data_range, unit
        if own_range is None:
            own_range, own_unit = values_of(self.hr_readers[0])
        self.bands = tuple(bands)
        self.channel_names = usual.names
        self.unit = unit or own_unit or ""
        self.data_range = own_range
        leading = leading_axes(str(self.hr_readers[0]), usual_hr, spatial_dims)
        self.axes = usual.axes[leading:]
        self.hr_axes = usual_hr.axes[leading:]
        configured(self, force).check_types(str(self.readers[0]), usual.channels)
        configured(self, force).check_types(str(self.hr_readers[0]), usual_hr.channels)

        self.scenes = Scenes()
        belonging = {str(hr): Forgiving(lr, left_out) for lr, hr in pairs}
        self.parts = Parts(
            self.hr_readers,
            RealPairs(
                belonging,
                (1,) * leading + factors,
                seed,
                self.scenes,
                leading,
                layout=Layout(len(bands), self.guide_ratio) if guides else None,
            ),
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
        """Measure HR of the training split, or with guides LR, in one pass.

        A normaliser needs numbers for the guides as well.
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
    """Open pair after pair, and leave those out of which a file cannot be opened."""
    few = FewOpen()
    for lr_path, hr_path in paths:
        try:
            lr, hr = open_reader(lr_path, bands=bands), open_reader(hr_path, bands=bands)
            if masks.cache is not None:
                lr, hr = masks.cache.keep(lr, bands), masks.cache.keep(hr, bands)
            hr, with_guides = masks.over(hr), beside.beside(lr, lr_path)
        except Mistake as error:
            left_out.add(str(hr_path), error)
            continue
        _check_pair(lr, hr, scale)
        yield OneOfMany(with_guides, few), OneOfMany(hr, few)


def _check_pair(lr: Reader, hr: Reader, scale: Sequence[int]) -> None:
    """Refuse a pair of other sizes or bands."""
    leading = leading_axes(str(lr), lr.description, len(scale))
    wanted = _wanted(lr.description, (1,) * leading + tuple(scale))
    if hr.description.shape != wanted:
        raise Mistake(
            f"{hr} has {hr.description.shape} pixels and {lr} has {lr.description.shape}; at scale "
            f"{tuple(scale)} HR must have {wanted}: set scale, or crop or remove the pair."
        )
    names = hr.description.names, lr.description.names
    if sorted(names[0]) == sorted(names[1]) and names[0] != names[1]:
        raise Mistake(
            f"{hr} has the bands {', '.join(names[0])} and {lr} {', '.join(names[1])}, in another "
            "order: choose data.bands by name."
        )


def _wanted(lr: Description, scale: Sequence[int]) -> tuple[int, ...]:
    return tuple(size * factor for size, factor in zip(lr.shape, scale, strict=False))
