"""A source of LR and HR rasters from two sensors that observed the same ground."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from srlab.axes import per_axis
from srlab.data.caches import Cache, kept
from srlab.data.finding.files import find_files
from srlab.data.finding.handles import FewOpen, OneOfMany
from srlab.data.finding.masks import Masks
from srlab.data.finding.partners import PLACE, Named, partners
from srlab.data.finding.usable import SHARE, Forgiving, LeftOut
from srlab.data.measuring.agreement import check_agreement
from srlab.data.measuring.scenes import Scenes
from srlab.data.measuring.values import configured, full_scale
from srlab.data.pairing.checked_pairs import CheckedPairs
from srlab.data.pairing.real_pairs import RealPairs
from srlab.data.pairing.same_ground import Finding, SameGround
from srlab.data.pairing.shared_grid import Pair, Warp, by_ground, on_shared_grid, told_apart
from srlab.data.places.cropping import Cropping
from srlab.data.places.informative import Weighting
from srlab.data.places.parts import Parts, Size
from srlab.data.places.regions import Region, evenly
from srlab.data.places.symmetries import Symmetry
from srlab.data.sources.parted_files import PartedFiles
from srlab.data.splits import Split
from srlab.files import PathLike
from srlab.io import Reader, open_reader
from srlab.io.agreement import Check, check_force
from srlab.io.raster.grids import georeferenced
from srlab.mistakes import Mistake

PROBES = 64
"""The number of windows of a pair that are tried until one shows the same ground."""


class SensorPair(PartedFiles):
    """LR and HR rasters of two sensors, aligned by their georeferencing.

    `lr_root` and `root` (HR) are each a file, a folder or a glob. Files that share ground are a
    pair. With `lr_name` or `hr_name`, such as ``{name}_pan``, files of one ``{name}`` are.

    LR's pixels stay as they are. HR is resampled onto LR's grid refined by `scale`, with the kernel
    `warp`; ``refuse`` accepts only HR that already lies on that grid. Ground that only one of the
    two shows is left out. HR may have other bands (`hr_bands`) than LR. `unit` and `data_range` are
    those of HR.

    Windows must show the same ground (`SameGround`): enough of their pixels
    hold data in both (`valid_share`), and they are at most `max_shift` HR pixels apart. Training
    draws another window in place of a bad one. Validation leaves bad ones out, and a message counts
    them. A pair without any good window is left out like a file that cannot be opened.
    `shift_bands` names the `bands` by which shifts are measured. Null means those that HR has under
    the same names, or all.

    `mask` and `hidden_classes` hide the clouds of HR, and `lr_mask` and `lr_hidden_classes` those
    of LR (`Masks`). Otherwise this is as `srlab.data.Folder`; sizes are HR pixels.

    Raises a `Mistake` if nothing fits together, or files do not say where they lie.
    """

    def __init__(
        self,
        *,
        lr_root: str,
        root: str,
        lr_name: str | None,
        hr_name: str | None,
        suffixes: Sequence[str],
        bands: Sequence[int | str],
        hr_bands: Sequence[int | str],
        scale: int | Sequence[int],
        warp: Warp,
        max_shift: float | None,
        shift_bands: Sequence[int | str] | None,
        crop_size: int | Sequence[int],
        valid_share: float,
        weighting: Weighting,
        symmetries: Sequence[Symmetry],
        mask: int | str | None,
        hidden_classes: Sequence[int],
        lr_mask: int | str | None,
        lr_hidden_classes: Sequence[int],
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
        factors, crop = per_axis(scale, 2), per_axis(crop_size, 2)
        masks = Masks(mask=mask, hidden_classes=hidden_classes, suffixes=suffixes, cache=cache)
        lr_masks = replace(masks, mask=lr_mask, hidden_classes=lr_hidden_classes)
        lr_paths = lr_masks.without_masks(find_files(lr_root, suffixes, key="data.lr_root"))
        hr_paths = masks.without_masks(find_files(root, suffixes))
        left_out = LeftOut(max(len(lr_paths), len(hr_paths)), share=broken_share)
        few = FewOpen()
        lr = dict(_opened(lr_paths, bands, few, left_out, lr_masks))
        hr = dict(_opened(hr_paths, hr_bands, few, left_out, masks))
        if lr_name is None and hr_name is None:
            least = [side // factor for side, factor in zip(crop, factors, strict=True)]
            couples = by_ground([*lr.values()], [*hr.values()], least=least)
        else:
            low = Named("LR", "data.lr_name", lr_name or PLACE, lr_paths)
            high = Named("HR", "data.hr_name", hr_name or PLACE, hr_paths)
            named = partners(low, high, suffixes=suffixes)
            couples = [Pair(lr[a], hr[b]) for a, b in named if a in lr and b in hr]
        self.readers = _each_once(couple.lr for couple in couples)
        self.hr_readers = _each_once(couple.hr for couple in couples)
        usual = check_agreement(self.readers, force=force)
        pairs = told_apart([*_aligned(couples, factors, warp, left_out)])
        usual_hr = check_agreement([pair.hr for pair in pairs], force=force)
        self.data_range, own_unit = full_scale([pair.hr for pair in pairs], data_range)
        self.unit = unit or own_unit
        self.bands, self.hr_bands = tuple(bands), tuple(hr_bands)
        self.channel_names = usual.names
        self.hr_channel_names = _hr_names(usual_hr.names, self.bands, self.hr_bands)
        self.axes, self.hr_axes = usual.axes, usual_hr.axes
        configured(self, force).check_types(str(pairs[0].hr), usual_hr.channels)

        self.scenes = Scenes()
        lr_of_hr = {str(pair.hr): Forgiving(pair.lr, left_out) for pair in pairs}
        lr_channels, hr_channels = self._compared(shift_bands)
        same_ground = SameGround(
            factors,
            valid_share=valid_share,
            max_shift=max_shift,
            lr_channels=lr_channels,
            hr_channels=hr_channels,
        )
        checked = CheckedPairs(RealPairs(lr_of_hr, factors, seed, self.scenes), same_ground)
        self.parts = Parts(
            list(_with_shared_ground(pairs, checked, crop, left_out)),
            checked,
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

    def _compared(self, wanted: Sequence[int | str] | None) -> tuple[list[int], list[int]]:
        """Return the channels of LR and of HR by which shifts are measured."""
        lr, hr = self.channel_names, self.hr_channel_names
        if wanted is not None:
            lost = [band for band in wanted if band not in self.bands]
            if lost or not wanted:
                raise Mistake(
                    f"data.shift_bands is {list(wanted)}; choose among data.bands, which are "
                    f"{list(self.bands)}."
                )
            return [self.bands.index(band) for band in wanted], [*range(len(hr))]
        both = [name for name in lr if name in hr and not name.isdigit()]
        if both:
            return [lr.index(name) for name in both], [hr.index(name) for name in both]
        return [*range(len(lr))], [*range(len(hr))]


def _hr_names(
    names: tuple[str, ...], bands: Sequence[int | str], hr_bands: Sequence[int | str]
) -> tuple[str, ...]:
    """Return the names of HR's channels.

    A name that is only a number says nothing about LR's band of that number. It is marked as HR's.
    """
    if list(hr_bands) == list(bands):
        return names
    return tuple(f"HR {name}" if name.isdigit() else name for name in names)


def _opened(
    paths: Sequence[PathLike],
    bands: Sequence[int | str],
    few: FewOpen,
    left_out: LeftOut,
    masks: Masks,
) -> Iterator[tuple[PathLike, Reader]]:
    """Open the files that say where they lie, and leave out those that cannot be opened."""
    for path in paths:
        try:
            reader = open_reader(path, bands=bands)
            georeferenced(reader.description.geometry, str(path))
            reader = masks.over(kept(reader, bands, masks.cache))
        except Mistake as error:
            left_out.add(str(path), error)
            continue
        yield path, OneOfMany(reader, few)


def _each_once(readers: Iterable[Reader]) -> list[Reader]:
    """Return one reader of each file: a file may be in several pairs."""
    return list({str(reader): reader for reader in readers}.values())


def _aligned(
    couples: Sequence[Pair], scale: Sequence[int], warp: Warp, left_out: LeftOut
) -> Iterator[Pair]:
    """Yield each couple on the ground that both share; leave out couples that do not fit."""
    for couple in couples:
        try:
            yield on_shared_grid(couple, scale, warp)
        except Mistake as error:
            left_out.add(str(couple.hr), error)


def _with_shared_ground(
    pairs: Sequence[Pair], pairing: CheckedPairs, crop: Sequence[int], left_out: LeftOut
) -> Iterator[Reader]:
    """Yield each HR reader that shows the ground of its LR in at least one window."""
    for pair in pairs:
        findings = _findings(pair.hr, pairing, crop)
        if findings and findings[-1].fault:
            reason = Mistake(
                f"{pair.hr} does not show the place of {pair.lr}: "
                f"{pairing.ground.refusal(findings)}; align them, or loosen data.max_shift or "
                "data.valid_share."
            )
            left_out.add(str(pair.hr), reason)
        else:
            yield pair.hr


def _findings(hr: Reader, pairing: CheckedPairs, crop: Sequence[int]) -> list[Finding]:
    """Judge windows spread over a file until one is good; that one is then the last."""
    windows = [part for part in Region.whole(hr).tiled(crop) if part.shape == tuple(crop)]
    findings: list[Finding] = []
    for place in evenly(len(windows), min(len(windows), PROBES)):
        findings.append(pairing.judged(windows[place]))
        if findings[-1].fault is None:
            break
    return findings
