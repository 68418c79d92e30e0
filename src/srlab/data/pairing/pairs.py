"""Making of pairs from regions of HR files, and the interface of all that make pairs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from srlab.data.measuring.scenes import Scenes
from srlab.data.places.leading import without_leading
from srlab.data.places.regions import Region
from srlab.data.places.symmetries import UNTURNED, Turn
from srlab.data.sources.source import Sample
from srlab.degradations import Degradation
from srlab.nn.holes import filled, throughout


class PairMaker(Protocol):
    """Makes a pair from a region of an HR file; its randomness follows from its position."""

    @property
    def scale(self) -> tuple[int, ...]:
        """The factor from LR to HR along each axis of the files."""

    @property
    def leading(self) -> int:
        """The number of leading axes of the files that pairs do not have.

        It is 1 where pairs are slices of volumes, or frames of videos.
        """

    @property
    def scenes(self) -> Scenes:
        """The statistics of the files, once they are gathered."""

    @property
    def step(self) -> tuple[int, ...]:
        """The HR pixels, along each axis, on whose multiples a part must begin."""

    def random(self, position: int) -> np.random.Generator:
        """Return the only random generator of the sample at `position`."""

    def accepts(self, region: Region) -> bool:
        """Whether a region of an HR file makes a pair that is fit for use."""

    def of(
        self,
        hr: NDArray[np.float32],
        region: Region,
        random: np.random.Generator,
        turn: Turn = UNTURNED,
    ) -> Sample:
        """Make a pair from HR ``(C, *S)``, the pixels of a region; `turn` applies to both."""


@dataclass(frozen=True)
class Pairing:
    """Makes LR by a degradation, whose randomness follows from `seed` and the position."""

    degradation: Degradation
    scale: tuple[int, ...]
    seed: int
    scenes: Scenes = field(default_factory=Scenes)
    leading: int = 0

    @property
    def step(self) -> tuple[int, ...]:
        """A part may begin at any HR pixel."""
        return (1,) * len(self.scale)

    def random(self, position: int) -> np.random.Generator:
        """The one source of randomness of the sample at `position`."""
        return np.random.default_rng([self.seed, position])

    def accepts(self, region: Region) -> bool:
        """Any part will do: LR is made of it."""
        return True

    def of(
        self,
        hr: NDArray[np.float32],
        region: Region,
        random: np.random.Generator,
        turn: Turn = UNTURNED,
    ) -> Sample:
        """Turn HR ``(C, *S)`` of a region, and degrade it.

        A pixel that is missing in any channel is hidden. Missing values of HR are filled from the
        nearest pixels before it is degraded. An LR value is missing where all HR pixels under it
        are. It is filled in the same way, as prediction does.
        """
        hr = without_leading(turn(hr), self.leading)
        missing = ~np.isfinite(hr)
        some_missing = bool(missing.any())
        image = torch.from_numpy(np.ascontiguousarray(filled(hr)))
        generator = torch.Generator().manual_seed(int(random.integers(2**63)))
        lr = self.degradation(image[None], generator=generator)[0]
        sample: Sample = {"lr": lr, "hr": image}
        if some_missing:
            sample["lr"] = _filled_alike(lr, throughout(missing, self.scale[self.leading :]))
            sample["valid"] = torch.from_numpy(~missing.any(axis=0, keepdims=True))
        scene = self.scenes.get(region.reader)
        if scene is not None:
            sample["scene"] = scene
        return sample


def _filled_alike(lr: Tensor, missing: NDArray[np.bool_]) -> Tensor:
    """Fill the missing values of LR as prediction does."""
    with_holes = np.where(missing, np.float32(np.nan), lr.numpy())
    return torch.from_numpy(filled(with_holes))
