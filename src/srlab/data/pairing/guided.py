"""Pairs of an image with a finer guide, both degraded alike (Wald et al. 1997)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from srlab.data.measuring.scenes import Scenes
from srlab.data.pairing.pairs import Pairing
from srlab.data.places.regions import Region
from srlab.data.places.symmetries import UNTURNED, Turn
from srlab.data.sources.source import Sample
from srlab.degradations import Degradation
from srlab.io.guided import Layout, space_to_depth
from srlab.nn.holes import filled, throughout


@dataclass(frozen=True)
class GuidedPairing:
    """Makes LR of an image and of its guide; the image itself is HR.

    This is the synthesis property of Wald et al. (1997): both are degraded by the scale, so the
    guide is finer than LR by the same ratio as in use. Randomness follows from the seed of
    `pairing` and the position.
    """

    pairing: Pairing
    """Makes LR of the image."""

    degradation: Degradation
    """Makes LR of the guide."""

    layout: Layout
    """The order of the image's and the guide's channels."""

    @property
    def scale(self) -> tuple[int, ...]:
        """The factor from LR to HR along each spatial axis."""
        return self.pairing.scale

    @property
    def leading(self) -> int:
        """The number of leading axes of the files that pairs do not have."""
        return self.pairing.leading

    @property
    def scenes(self) -> Scenes:
        """The statistics of the files, once they are gathered."""
        return self.pairing.scenes

    @property
    def step(self) -> tuple[int, ...]:
        """The HR pixels, along each axis, on whose multiples a part must begin."""
        return self.pairing.step

    def random(self, position: int) -> np.random.Generator:
        """Return the one source of randomness of the sample at `position`."""
        return self.pairing.random(position)

    def accepts(self, region: Region) -> bool:
        """Whether the image alone makes a pair that is fit for use."""
        return self.pairing.accepts(region)

    def of(
        self,
        hr: NDArray[np.float32],
        region: Region,
        random: np.random.Generator,
        turn: Turn = UNTURNED,
    ) -> Sample:
        """Degrade a region that holds the channels of the `layout`, ``(C, *S)``.

        LR has all these channels, and HR has those of the image. A pixel that is missing in any
        channel is hidden. `turn` applies to image and guide before they are degraded.
        """
        image, guide = self.layout.parted(hr)
        guide = turn(guide)
        sample = self.pairing.of(image, region, random, turn)
        sample["lr"] = torch.cat([sample["lr"], self._degraded(guide, random)])
        missing = space_to_depth(~np.isfinite(guide), self.layout.ratio).any(axis=0, keepdims=True)
        if missing.any():
            valid = torch.from_numpy(~missing)
            sample["valid"] = sample.get("valid", torch.ones_like(valid)) & valid
        return sample

    def _degraded(self, guide: NDArray[np.float32], random: np.random.Generator) -> Tensor:
        """Return the guide's channels of LR, filled like an input of the model."""
        generator = torch.Generator().manual_seed(int(random.integers(2**63)))
        image = torch.from_numpy(np.ascontiguousarray(filled(guide)))
        lr = self.degradation(image[None], generator=generator)[0].numpy()
        missing = throughout(~np.isfinite(guide), self.scale)
        lr = np.where(missing, np.float32(np.nan), lr)
        return torch.from_numpy(filled(space_to_depth(lr, self.layout.ratio)))
