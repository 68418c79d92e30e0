"""Pairs of LR and HR made by degrading parts of scenes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from srlab.axes import per_axis
from srlab.data.regions import Region
from srlab.data.source import Sample
from srlab.degradations import Degradation
from srlab.mistakes import Mistake


@dataclass(frozen=True)
class Pairing:
    """Makes a sample from HR pixels; whatever is random follows from `seed` and the sample's position."""

    degradation: Degradation
    scale: tuple[int, ...]
    seed: int

    def random(self, position: int) -> np.random.Generator:
        """The one source of randomness of the sample at `position`."""
        return np.random.default_rng([self.seed, position])

    def __call__(self, hr: NDArray[np.float32], random: np.random.Generator) -> Sample:
        """Degrade ``(C, *S)``; NaN becomes a hidden pixel that holds its channel's mean."""
        image = torch.from_numpy(np.ascontiguousarray(hr))
        hidden = image.isnan().any(dim=0, keepdim=True)
        some_hidden = bool(hidden.any())
        if some_hidden:
            image = torch.where(hidden, _visible_mean(image, hidden), image)
        generator = torch.Generator().manual_seed(int(random.integers(2**63)))
        sample: Sample = {"lr": self.degradation(image[None], generator=generator)[0], "hr": image}
        if some_hidden:
            sample["valid"] = ~hidden
        return sample


def _visible_mean(image: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    channels = torch.where(hidden, torch.nan, image).flatten(1)
    return channels.nanmean(dim=1).nan_to_num().view(-1, *[1] * (image.ndim - 1))


class RandomCrops:
    """Endless random crops; every place in the regions is equally likely.

    The crop at a position, its flips and its degradation are a pure function of the seed and the position: the same
    with any number of workers, on any rank and after any resume.
    """

    def __init__(
        self,
        regions: Sequence[Region],
        pairing: Pairing,
        *,
        crop_size: int | Sequence[int],
        augment: bool,
    ) -> None:
        self.crop = per_axis(crop_size, len(pairing.scale))
        if any(side % factor for side, factor in zip(self.crop, pairing.scale, strict=True)):
            raise Mistake(
                f"data.crop_size {self.crop} is not a multiple of the scale {pairing.scale} on every axis."
            )
        for region in regions:
            if any(side > own for side, own in zip(self.crop, region.shape, strict=True)):
                raise Mistake(
                    f"a training crop of {self.crop} pixels (data.crop_size) does not fit into {region.reader}, of "
                    f"which {region.shape} pixels are for training; lower data.crop_size or remove the file."
                )
        self.regions = list(regions)
        self.pairing = pairing
        self.augment = augment
        places = [
            np.prod(
                [own - side + 1 for own, side in zip(region.shape, self.crop, strict=True)],
                dtype=float,
            )
            for region in self.regions
        ]
        total = np.cumsum(places)
        self.up_to = total / total[-1]

    def __getitem__(self, position: int) -> Sample:
        """The crop at `position`, any integer from 0 on."""
        random = self.pairing.random(position)
        region = self.regions[int(np.searchsorted(self.up_to, random.random(), side="right"))]
        free = (own - side for own, side in zip(region.shape, self.crop, strict=True))
        hr = region.part([int(random.integers(most + 1)) for most in free], self.crop).read()
        return self.pairing(self._flipped(hr, random) if self.augment else hr, random)

    def _flipped(self, hr: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
        """Mirror axes at random, and swap the last two where they are alike: in 2D the eight symmetries of a square."""
        hr = np.flip(hr, tuple(axis for axis in range(1, hr.ndim) if random.random() < 0.5))
        alike = self.crop[-1] == self.crop[-2] and self.pairing.scale[-1] == self.pairing.scale[-2]
        return hr.swapaxes(-1, -2) if alike and random.random() < 0.5 else hr


class FixedViews:
    """Given parts of scenes, cropped to multiples of the scale."""

    def __init__(self, regions: Sequence[Region], pairing: Pairing) -> None:
        self.regions = []
        for region in regions:
            sides = [
                own - own % factor for own, factor in zip(region.shape, pairing.scale, strict=True)
            ]
            if not all(sides):
                raise Mistake(
                    f"{region.reader} is too small: a view of {region.shape} pixels is smaller than one LR pixel at "
                    f"scale {pairing.scale}; remove the file, or hold out more of it."
                )
            self.regions.append(region.part([0] * len(sides), sides))
        self.pairing = pairing

    def __len__(self) -> int:
        return len(self.regions)

    def __getitem__(self, position: int) -> Sample:
        """The view at `position`."""
        if not 0 <= position < len(self):
            raise IndexError(position)
        return self.pairing(self.regions[position].read(), self.pairing.random(position))
