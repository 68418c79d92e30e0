"""A source of images with finer bands, the guides, that help to super-resolve the coarser ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from srlab.axes import per_axis
from srlab.data.caches import Cache, kept
from srlab.data.finding.files import find_files
from srlab.data.finding.guides import Guides, guide_files
from srlab.data.finding.handles import FewOpen, OneOfMany
from srlab.data.finding.masks import Masks
from srlab.data.finding.partners import Named
from srlab.data.finding.usable import SHARE, LeftOut
from srlab.data.measuring.agreement import check_agreement
from srlab.data.measuring.scenes import Scenes
from srlab.data.measuring.values import configured, full_scale
from srlab.data.pairing.guided import GuidedPairing
from srlab.data.pairing.pairs import Pairing
from srlab.data.places.cropping import Cropping
from srlab.data.places.informative import Weighting
from srlab.data.places.parts import Parts, Size
from srlab.data.places.symmetries import Symmetry
from srlab.data.sources.parted_files import PartedFiles
from srlab.data.splits import Split
from srlab.degradations import Degradation
from srlab.io import Reader, open_reader
from srlab.io.agreement import Check, check_force
from srlab.io.guided import Layout
from srlab.mistakes import Mistake


class GuidedFolder(PartedFiles):
    """Images with finer guide bands, from which LR is made by degradations.

    `bands` are to be super-resolved. `guides` are bands with `guide_ratio` times as many pixels
    along each axis. As channels of LR they follow `bands` (`srlab.io.guided.Layout`). LR has the
    bands degraded by `degradation` and the guides by `guide_degradation`, both by the scale. HR is
    `bands` as they were measured.

    `root` is a file, a folder or a glob. The guides are bands of the same files, as in a Sentinel-2
    product, unless `guide_root` names other files. Files of `root` and `guide_root` are matched by
    their common ``{name}``, by the patterns `name` and `guide_name`. If there is one file in each,
    their names do not matter.

    A guide on another grid is resampled onto that of the image (`srlab.io.guided.guided`). The
    other arguments are those of `srlab.data.Folder`; sizes are in pixels of `bands`.

    Raises a `Mistake` if guides are not as fine as `guide_ratio` says.
    """

    def __init__(
        self,
        *,
        root: str,
        guide_root: str | None,
        name: str,
        guide_name: str,
        suffixes: Sequence[str],
        bands: Sequence[int | str],
        guides: Sequence[int | str],
        guide_ratio: int | Sequence[int],
        scale: int | Sequence[int],
        spatial_dims: int,
        degradation: Degradation,
        guide_degradation: Degradation,
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
        self.bands, self.guides = tuple(bands), tuple(guides)
        self.guide_ratio = per_axis(guide_ratio, spatial_dims, name="guide_ratio")
        _check_guides(self.guides, self.guide_ratio, symmetries)
        masks = Masks(mask=mask, hidden_classes=hidden_classes, suffixes=suffixes, cache=cache)
        paths = masks.without_masks(find_files(root, suffixes))
        images = Named("image", "data.name", name, paths)
        files = guide_files(images, guide_root, guide_name, suffixes=suffixes)
        beside = Guides(bands=self.guides, ratio=self.guide_ratio, files=files, cache=cache)
        left_out = LeftOut(len(files), share=broken_share)
        self.readers = list(self._opened(beside, left_out, masks))
        usual = check_agreement(self.readers, force=force)
        self.data_range, own_unit = full_scale(self.readers, data_range)
        self.unit = unit or own_unit
        self.channel_names = usual.names
        self.axes = usual.axes
        configured(self, force).check_types(str(self.readers[0]), usual.channels)

        self.scenes = Scenes()
        pairing = Pairing(degradation, per_axis(scale, spatial_dims), seed, self.scenes)
        self.parts = Parts(
            self.readers,
            GuidedPairing(pairing, guide_degradation, Layout(len(bands), self.guide_ratio)),
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

    def _opened(self, beside: Guides, left_out: LeftOut, masks: Masks) -> Iterator[Reader]:
        """Open the images one after the other; those that cannot be opened go to `left_out`."""
        few = FewOpen()
        for path in beside.files:
            try:
                image = kept(open_reader(path, bands=self.bands), self.bands, masks.cache)
                yield OneOfMany(beside.beside(masks.over(image), path), few)
            except Mistake as error:
                left_out.add(str(path), error)


def _check_guides(
    guides: Sequence[int | str], ratio: Sequence[int], symmetries: Sequence[Symmetry]
) -> None:
    if not guides:
        raise Mistake(
            "data.guides is []; name the finer bands that help, or choose data=sentinel2."
        )
    if "quarter_turns" in symmetries and len(set(ratio)) > 1:
        raise Mistake(
            f"data.guide_ratio is {ratio}, and quarter turns would exchange its axes; set "
            "data.symmetries=[flips]."
        )
