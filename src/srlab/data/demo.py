"""Photographs that ship with scikit-image: something real to train on where nothing can be downloaded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from srlab.axes import per_axis
from srlab.data.pairs import FixedViews, Pairing, RandomCrops
from srlab.data.regions import Region, views
from srlab.degradations import Degradation
from srlab.io.array.memory import ArrayReader
from srlab.mistakes import MissingPackage, Mistake

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
    """RGB photographs in 0–255: six to train on, one to validate on, and one that neither sees to test on."""

    unit = "8-bit value"
    data_range = 255.0
    pixel_size = None

    def __init__(
        self,
        *,
        bands: Sequence[int],
        scale: int | Sequence[int],
        degradation: Degradation,
        crop_size: int | Sequence[int],
        augment: bool,
        seed: int,
    ) -> None:
        self.bands = tuple(bands)
        pairing = Pairing(degradation, per_axis(scale, 2), seed)
        self.training = RandomCrops(
            [self._photograph(name) for name in TRAINING],
            pairing,
            crop_size=crop_size,
            augment=augment,
        )
        self.validation = FixedViews(
            views([self._photograph(VALIDATION)], size=(200, 200), count=None), pairing
        )
        self.test = FixedViews([self._photograph(TEST)], pairing)
        self.channels = tuple("RGB"[band - 1] for band in bands)

    def _photograph(self, name: str) -> Region:
        try:
            import skimage.data
        except ImportError as error:
            raise MissingPackage(
                "data=demo needs scikit-image: pip install 'srlab[demo]'."
            ) from error
        pixels = getattr(skimage.data, name)()
        if isinstance(pixels, tuple):  # a stereo pair with its disparity
            pixels = pixels[0]
        if any(not 1 <= band <= 3 for band in self.bands):
            raise Mistake(
                f"data.bands is {list(self.bands)}; the demo photographs have bands 1, 2, 3 (R, G, B)."
            )
        return Region.whole(
            ArrayReader(np.moveaxis(pixels, -1, 0)[[band - 1 for band in self.bands]], name=name)
        )
