"""A source of photographs that ship with scikit-image, so that a demo needs no download."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from srlab.axes import per_axis
from srlab.data.measuring.scenes import Scenes
from srlab.data.measuring.statistics import measure, measure_lr
from srlab.data.pairing.pairs import Pairing
from srlab.data.places.cropping import Cropping
from srlab.data.places.crops import RandomCrops
from srlab.data.places.fixed_views import FixedViews
from srlab.data.places.regions import Region, views
from srlab.data.places.symmetries import Symmetry
from srlab.degradations import Degradation
from srlab.io import Axis
from srlab.io.array.memory import ArrayReader
from srlab.mistakes import MissingPackage, Mistake
from srlab.normalisers.statistics import Statistics

TRAINING = (
    "chelsea",
    "rocket",
    "hubble_deep_field",
    "immunohistochemistry",
    "retina",
    "stereo_motorcycle",
)
VALIDATION = "coffee"
TEST = "astronaut"


class DemoPhotographs:
    """RGB photographs in 0–255: six to train on, one to validate on, one to test on."""

    unit = "8-bit value"
    data_range = 255.0
    axes = (Axis("y"), Axis("x"))

    def __init__(
        self,
        *,
        bands: Sequence[int],
        scale: int | Sequence[int],
        degradation: Degradation,
        crop_size: int | Sequence[int],
        symmetries: Sequence[Symmetry],
        seed: int,
    ) -> None:
        if any(not 1 <= band <= 3 for band in bands):
            raise Mistake(
                f"data.bands is {list(bands)}; the demo photographs have bands 1, 2, 3 (R, G, B)."
            )
        self.bands = tuple(bands)
        self.channel_names = tuple("RGB"[band - 1] for band in bands)
        names = (*TRAINING, VALIDATION, TEST)
        self._readers = [_photograph(name, self.bands) for name in names]
        self.readers = self._readers[-1:]
        *self._training, validation, test = [Region.whole(reader) for reader in self._readers]
        self._scenes = Scenes()
        pairing = Pairing(degradation, per_axis(scale, 2), seed, self._scenes)
        self._pairing = pairing
        self._cropping = Cropping(crop_size=crop_size, symmetries=symmetries)
        self.validation = FixedViews(views([validation], size=(200, 200), count=None), pairing)
        self.test = FixedViews([test], pairing)

    @cached_property
    def training(self) -> RandomCrops:
        """Random crops of six photographs, made when they are first used."""
        return RandomCrops(self._training, self._pairing, self._cropping)

    def statistics(self) -> Statistics:
        """Measure HR of the training split, in physical units, in one pass."""
        return measure(self.training.scan(), channels=len(self.channel_names))

    def lr_statistics(self) -> Statistics:
        """Measure LR of the training split, in physical units, in one pass."""
        return measure_lr(self.training.scan_pairs())

    def gather_scenes(self, cache: Path) -> None:
        """Measure each photograph as a whole; from then on, samples carry its ``scene``."""
        self._scenes.gather(self._readers, cache)


def _photograph(name: str, bands: Sequence[int]) -> ArrayReader:
    try:
        import skimage.data
    except ImportError as error:
        raise MissingPackage("data=demo needs scikit-image: pip install 'srlab[demo]'.") from error
    pixels = getattr(skimage.data, name)()
    if isinstance(pixels, tuple):  # a stereo pair with its disparity
        pixels = pixels[0]
    channels = np.moveaxis(pixels, -1, 0)[[band - 1 for band in bands]]
    return ArrayReader(channels, names=["RGB"[band - 1] for band in bands], name=name)
