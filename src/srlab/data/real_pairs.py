"""Pairs of LR and HR that were both measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from srlab.data.leading import without_leading
from srlab.data.regions import Region
from srlab.data.scenes import Scenes
from srlab.data.source import Sample
from srlab.data.symmetries import UNTURNED, Turn
from srlab.io import Reader
from srlab.io.guided import Layout
from srlab.nn.holes import filled


@dataclass(frozen=True)
class RealPairs:
    """Reads LR of the same ground as HR from a file of its own.

    `partners` gives the LR reader of each HR reader, by the HR reader's name. LR is `scale` times
    smaller. Parts begin on whole LR pixels.
    """

    partners: Mapping[str, Reader]
    scale: tuple[int, ...]
    seed: int
    scenes: Scenes = field(default_factory=Scenes)
    leading: int = 0
    layout: Layout | None = None
    """The channels of LR if it has guides, which are turned as images."""

    @property
    def step(self) -> tuple[int, ...]:
        """A part begins where an LR pixel does."""
        return self.scale

    def random(self, position: int) -> np.random.Generator:
        """Return the one source of randomness of the sample at `position`."""
        return np.random.default_rng([self.seed, position])

    def accepts(self, region: Region) -> bool:
        """Any part will do: the files are said to belong together."""
        return True

    def of(
        self,
        hr: NDArray[np.float32],
        region: Region,
        random: np.random.Generator,
        turn: Turn = UNTURNED,
    ) -> Sample:
        """Pair HR ``(C, *S)`` of a region with LR of the same place.

        A pixel is hidden where HR is missing in a channel, and where the LR pixel over it is.
        Missing values are filled from the nearest pixels. Both are turned alike by `turn`.
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
    """Return ``(1, *S)``: where a channel has no finite value."""
    missing: NDArray[np.bool_] = np.logical_or.reduce(~np.isfinite(image), axis=0, keepdims=True)
    return missing


def _repeated(mask: NDArray[np.bool_], scale: tuple[int, ...]) -> NDArray[np.bool_]:
    """Repeat each pixel of ``(1, *S)`` `scale` times along each axis."""
    for axis, factor in enumerate(scale, start=1):
        mask = mask.repeat(factor, axis=axis)
    return mask
