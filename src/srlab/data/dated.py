"""Pairs of which LR shows several dates, and HR one of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from srlab.data.pairs import Pairing
from srlab.data.regions import Region
from srlab.data.scenes import Scenes
from srlab.data.source import Sample
from srlab.data.symmetries import UNTURNED, Turn


@dataclass(frozen=True)
class DatedPairing:
    """Makes LR of each of several dates; HR is the first one, the reference.

    What is random follows from the seed of `pairing` and the position.
    """

    pairing: Pairing
    """What makes LR of one date."""

    dates: int

    @property
    def scale(self) -> tuple[int, ...]:
        """The factor from LR to HR along each spatial axis."""
        return self.pairing.scale

    @property
    def leading(self) -> int:
        """The first axes of the files that pairs do not have."""
        return self.pairing.leading

    @property
    def scenes(self) -> Scenes:
        """The statistics of the files, once they are gathered."""
        return self.pairing.scenes

    @property
    def step(self) -> tuple[int, ...]:
        """A part may begin where one of a single date may."""
        return self.pairing.step

    def random(self, position: int) -> np.random.Generator:
        """Return the one source of randomness of the sample at `position`."""
        return self.pairing.random(position)

    def accepts(self, region: Region) -> bool:
        """Whether a single date makes a pair that is fit for use."""
        return self.pairing.accepts(region)

    def of(
        self,
        hr: NDArray[np.float32],
        region: Region,
        random: np.random.Generator,
        turn: Turn = UNTURNED,
    ) -> Sample:
        """Degrade a region of `srlab.io.dates.DatedReader`, date by date.

        A pixel is hidden where the reference is missing. All dates are turned alike by `turn`.
        """
        reference, *others = np.split(hr, self.dates)
        sample = self.pairing.of(reference, region, random, turn)
        further = [self.pairing.of(each, region, random, turn)["lr"] for each in others]
        sample["lr"] = torch.cat([sample["lr"], *further])
        return sample
