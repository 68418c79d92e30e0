"""A source of volumes of thick slices, trained on without any thin ones."""

from __future__ import annotations

from collections.abc import Sequence

from srlab.axes import per_axis
from srlab.data.caches import Cache, kept
from srlab.data.finding.files import find_files
from srlab.data.finding.handles import FewOpen, OneOfMany
from srlab.data.finding.usable import LeftOut
from srlab.data.measuring.agreement import check_agreement
from srlab.data.measuring.scenes import Scenes
from srlab.data.measuring.values import FullScale, configured, full_scale
from srlab.data.pairing.pairs import Pairing
from srlab.data.places.cropping import Cropping
from srlab.data.places.informative import Weighting
from srlab.data.places.leading import leading_axes
from srlab.data.places.parts import Parts, Size
from srlab.data.places.symmetries import Symmetry
from srlab.data.sources.folder import opened
from srlab.data.sources.parted_files import PartedFiles
from srlab.data.splits import Split
from srlab.degradations import Degradation
from srlab.io import Reader
from srlab.io.across import Turned, check_thickness, in_plane_last, tell_of_rounding
from srlab.io.agreement import Check, check_force
from srlab.mistakes import Mistake


class ThickFolder(PartedFiles):
    """Volumes of thick slices, which a model makes thinner after learning from their planes.

    Each slice serves as HR. LR is the slice degraded along one axis of its plane, as the volume is
    along the axis `across` (Zhao et al. 2021, SMORE, IEEE TMI 40(3)). `scale` is ``(s, 1)`` where
    the slices are `s` pixels apart. With ``quarter_turns`` among `symmetries`, either axis of the
    plane may be the degraded one; this requires square pixels.

    The other arguments are those of `srlab.data.Folder`.
    """

    def __init__(
        self,
        *,
        root: str,
        suffixes: Sequence[str],
        bands: Sequence[int | str],
        across: str,
        scale: int | Sequence[int],
        spatial_dims: int,
        degradation: Degradation,
        crop_size: int | Sequence[int],
        weighting: Weighting,
        symmetries: Sequence[Symmetry],
        split: Split,
        validation_size: Size,
        validation_views: int | None,
        test_size: Size,
        unit: str | None,
        data_range: FullScale,
        broken_share: float,
        cache: Cache | None,
        seed: int,
        force: Sequence[Check],
    ) -> None:
        check_force(force)
        factors = _checked_scale(scale, spatial_dims)
        paths = find_files(root, suffixes)
        left_out = LeftOut(len(paths), share=broken_share)
        few = FewOpen()
        self.readers: list[Reader] = []
        for reader in opened(paths, bands, left_out, grey_as_colour=False):
            order = in_plane_last(str(reader), reader.description, across)
            turned = Turned(kept(reader, bands, cache), order)
            self.readers.append(OneOfMany(turned, few))
        usual = check_agreement(self.readers, force=force)
        for reader in self.readers:
            check_thickness(
                str(reader), reader.description, across, factors[0],
                advice=f"set scale=[{_ratio(reader)},1], or data.across to the thick axis; thin "
                "volumes are scored by data=medical_mri or microscopy",
                force=force,
            )  # fmt: skip
        tell_of_rounding(str(self.readers[0]), usual, across, factors[0])
        self.across = across
        self.data_range, own_unit = full_scale(self.readers, data_range)
        self.bands = tuple(bands)
        self.channel_names = usual.names
        self.unit = unit or own_unit
        leading = leading_axes(str(self.readers[0]), usual, spatial_dims)
        self.axes = usual.axes[leading:]
        configured(self, force).check_types(str(self.readers[0]), usual.channels)
        self.scenes = Scenes()
        self.parts = Parts(
            self.readers,
            Pairing(degradation, (1,) * leading + factors, seed, self.scenes, leading),
            left_out,
            cropping=Cropping(
                crop_size=crop_size,
                weighting=weighting,
                symmetries=symmetries,
                turns_change_scale=True,
            ),
            split=split,
            validation_size=validation_size,
            validation_views=validation_views,
            test_size=test_size,
        )


def _checked_scale(scale: int | Sequence[int], spatial_dims: int) -> tuple[int, ...]:
    """Return the scale in a plane of slices, across them first."""
    factors = per_axis(scale, spatial_dims, name="scale")
    if spatial_dims != 2 or factors[0] < 2 or factors[1] != 1:
        raise Mistake(
            f"scale is {factors} with spatial_dims={spatial_dims}; slices are made thinner by a "
            "model of images, so set spatial_dims=2 and scale=[3,1] for a spacing three times as "
            "large as that of the pixels."
        )
    return factors


def _ratio(reader: Reader) -> int:
    """Return the distance between slices in pixels, rounded; at least 2."""
    across, *others = reader.description.axes[-3:]
    ratios = [(across.spacing or 0) / other.spacing for other in others if other.spacing]
    return max(round(min(ratios, default=0)), 2)
