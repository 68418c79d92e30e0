"""Pairs in which LR shows several dates, and HR one of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from srlab.data.measuring.scenes import Scenes
from srlab.data.pairing.pairs import Pairing
from srlab.data.places.regions import Region
from srlab.data.places.symmetries import UNTURNED, Turn
from srlab.data.sources.source import Sample


@dataclass(frozen=True)
class DatedPairing:
    """Makes pairs in which LR has the channels of several dates; HR is the first, the reference.

    Randomness follows from the seed of `pairing` and the position.
    """

    pairing: Pairing
    """Makes LR of a single date."""

    dates: int
    """The number of dates."""

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
        """Whether a single date makes a pair that is fit for use."""
        return self.pairing.accepts(region)

    def of(
        self,
        hr: NDArray[np.float32],
        region: Region,
        random: np.random.Generator,
        turn: Turn = UNTURNED,
    ) -> Sample:
        """Degrade ``(dates·C, *S)`` of a `srlab.io.dates.DatedReader`, date by date.

        A pixel is hidden where the reference is missing. `turn` applies to all dates alike.
        """
        reference, *others = np.split(hr, self.dates)
        sample = self.pairing.of(reference, region, random, turn)
        further_lr = [self.pairing.of(other, region, random, turn)["lr"] for other in others]
        sample["lr"] = torch.cat([sample["lr"], *further_lr])
        return sample
