"""Pairs of LR and HR that were both measured, in files of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from srlab.data.measuring.scenes import Scenes
from srlab.data.places.leading import without_leading
from srlab.data.places.regions import Region
from srlab.data.places.symmetries import UNTURNED, Turn
from srlab.data.sources.source import Sample
from srlab.io import Reader
from srlab.io.guided import Layout
from srlab.nn.holes import filled


@dataclass(frozen=True)
class RealPairs:
    """Makes pairs by reading the LR file that belongs to an HR file.

    `partners` holds the LR reader of each HR reader, by the HR reader's name. LR has `scale` times
    fewer pixels along each axis. Parts begin on whole LR pixels.
    """

    partners: Mapping[str, Reader]
    scale: tuple[int, ...]
    seed: int
    scenes: Scenes = field(default_factory=Scenes)
    leading: int = 0
    layout: Layout | None = None
    """The channels of LR if it has guides; guides are turned as images, not as channels."""

    @property
    def step(self) -> tuple[int, ...]:
        """The HR pixels on whose multiples a part must begin: those of an LR pixel."""
        return self.scale

    def random(self, position: int) -> np.random.Generator:
        """Return the one source of randomness of the sample at `position`."""
        return np.random.default_rng([self.seed, position])

    def accepts(self, region: Region) -> bool:
        """Accept any region: the user says that the files belong together."""
        return True

    def of(
        self,
        hr: NDArray[np.float32],
        region: Region,
        random: np.random.Generator,
        turn: Turn = UNTURNED,
    ) -> Sample:
        """Pair HR ``(C, *S)`` of a region with LR of the same place.

        A pixel is hidden where HR, or the LR pixel over it, is missing in any channel. Missing
        values are filled from the nearest pixels. `turn` applies to both.
        """
        partner = self.partners[str(region.reader)]
        spans = zip(region.window, self.scale, strict=True)
        lr = partner.read(tuple(slice(own.start // by, own.stop // by) for own, by in spans))
        lr = without_leading(self._turned(lr, turn), self.leading)
        hr = without_leading(turn(hr), self.leading)
        missing = _missing(hr) | _repeated(_missing(lr), self.scale[self.leading :])
        sample: Sample = {
            "lr": torch.from_numpy(np.ascontiguousarray(filled(lr))),
            "hr": torch.from_numpy(np.ascontiguousarray(filled(hr))),
        }
        if missing.any():
            sample["valid"] = torch.from_numpy(~missing)
        scene = self.scenes.get(partner)
        if scene is not None:
            sample["scene"] = scene
        return sample

    def _turned(self, lr: NDArray[np.float32], turn: Turn) -> NDArray[np.float32]:
        if self.layout is None:
            return turn(lr)
        return self.layout.joined(*map(turn, self.layout.parted(lr)))


def _missing(image: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return ``(1, *S)``: true where any channel of ``(C, *S)`` has no finite value."""
    missing: NDArray[np.bool_] = np.logical_or.reduce(~np.isfinite(image), axis=0, keepdims=True)
    return missing


def _repeated(mask: NDArray[np.bool_], scale: tuple[int, ...]) -> NDArray[np.bool_]:
    """Repeat each pixel of ``(1, *S)`` `scale` times along each axis: ``(1, *S·scale)``."""
    for axis, factor in enumerate(scale, start=1):
        mask = mask.repeat(factor, axis=axis)
    return mask
