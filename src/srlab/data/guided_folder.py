"""Folders of images with finer guides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from srlab.axes import per_axis
from srlab.data.agreement import check_agreement
from srlab.data.caches import Cache
from srlab.data.cropping import Cropping
from srlab.data.files import find_files
from srlab.data.guided import GuidedPairing
from srlab.data.guides import Guides, guide_files
from srlab.data.handles import FewOpen, OneOfMany
from srlab.data.informative import Weighting
from srlab.data.masks import Masks
from srlab.data.pairs import Pairing
from srlab.data.parted_files import PartedFiles
from srlab.data.partners import Named
from srlab.data.parts import Parts, Size
from srlab.data.scenes import Scenes
from srlab.data.splits import Split
from srlab.data.symmetries import Symmetry
from srlab.data.usable import SHARE, LeftOut
from srlab.data.values import configured, values_of
from srlab.degradations import Degradation
from srlab.io import Reader, open_reader
from srlab.io.agreement import Check, check_force
from srlab.io.guided import Layout
from srlab.mistakes import Mistake


class GuidedFolder(PartedFiles):
    """Images whose finer bands help the coarser ones, from which LR is made by degradations.

    `bands` are to be super-resolved, and `guides` are the bands of `guide_ratio` times as many
    pixels. They come after `bands` as channels of LR (`srlab.io.guided.Layout`). Both are degraded
    by the scale, the guides by `guide_degradation`, and HR is `bands` as they were measured.

    `root` is a file, a folder or a glob. Each file holds its guides too, as a Sentinel-2 product
    does, unless `guide_root` names other files. Then a file of `guide_root` belongs to the one of
    `root` with the same ``{name}``, by the patterns `name` and `guide_name`. Two single files
    belong together whatever their names.

    A guide on another grid is resampled onto that of the image (`srlab.io.guided.guided`).
    Otherwise this is as `srlab.data.Folder`; sizes are pixels of `bands`.

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
        if not guides:
            raise Mistake(
                "data.guides is []; name the finer bands that help, or choose data=sentinel2."
            )
        self.bands, self.guides = tuple(bands), tuple(guides)
        self.guide_ratio = per_axis(guide_ratio, spatial_dims, name="guide_ratio")
        if "quarter_turns" in symmetries and len(set(self.guide_ratio)) > 1:
            raise Mistake(
                f"data.guide_ratio is {self.guide_ratio}, and quarter turns would exchange its "
                "axes; set data.symmetries=[flips]."
            )
        masks = Masks(mask=mask, hidden_classes=hidden_classes, suffixes=suffixes, cache=cache)
        paths = masks.without_masks(find_files(root, suffixes))
        images = Named("image", "data.name", name, paths)
        files = guide_files(images, guide_root, guide_name, suffixes=suffixes)
        beside = Guides(bands=self.guides, ratio=self.guide_ratio, files=files, cache=cache)
        left_out = LeftOut(len(files), share=broken_share)
        self.readers = list(self._opened(beside, left_out, masks))
        usual = check_agreement(self.readers, force=force)
        own_range, own_unit = data_range, unit
        if own_range is None:
            own_range, own_unit = values_of(self.readers[0])
        self.channel_names = usual.names
        self.unit = unit or own_unit or ""
        self.data_range = own_range
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
        """Open image after image, and leave those out that cannot be opened."""
        few = FewOpen()
        for path in beside.files:
            try:
                image = open_reader(path, bands=self.bands)
                if masks.cache is not None:
                    image = masks.cache.keep(image, self.bands)
                yield OneOfMany(beside.beside(masks.over(image), path), few)
            except Mistake as error:
                left_out.add(str(path), error)
