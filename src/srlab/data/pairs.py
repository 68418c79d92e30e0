"""Pairs of LR and HR made by degrading parts of scenes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from srlab.axes import per_axis
from srlab.data.regions import Region
from srlab.data.scenes import Scenes
from srlab.data.source import Sample
from srlab.data.valid_pixels import ValidPixels, valid_pixels
from srlab.degradations import Degradation
from srlab.io import Reader
from srlab.mistakes import Mistake, UnfitFile
from srlab.nn.holes import filled, throughout

ATTEMPTS = 16
"""The crops that are drawn at random until one holds a valid pixel."""


@dataclass(frozen=True)
class Pairing:
    """Makes a sample of a region; what is random follows from `seed` and the sample's position."""

    degradation: Degradation
    scale: tuple[int, ...]
    seed: int
    scenes: Scenes = field(default_factory=Scenes)

    def random(self, position: int) -> np.random.Generator:
        """The one source of randomness of the sample at `position`."""
        return np.random.default_rng([self.seed, position])

    def __call__(
        self, region: Region, random: np.random.Generator, *, symmetries: bool = False
    ) -> Sample:
        """Read a region and make its pair; see `of`."""
        return self.of(region.read(), region.reader, random, symmetries=symmetries)

    def of(
        self,
        hr: NDArray[np.float32],
        reader: Reader,
        random: np.random.Generator,
        *,
        symmetries: bool = False,
    ) -> Sample:
        """Degrade HR ``(C, *S)`` of a file; a pixel that is missing in a channel is hidden.

        Missing values are filled from the nearest pixels, in HR before it is degraded. LR has none
        where no HR pixel under it has one, and is filled like an input of the model. With
        `symmetries` HR is mirrored and turned at random first.
        """
        if symmetries:
            hr = self._turned(hr, random)
        missing = ~np.isfinite(hr)
        some_missing = bool(missing.any())
        image = torch.from_numpy(np.ascontiguousarray(filled(hr)))
        generator = torch.Generator().manual_seed(int(random.integers(2**63)))
        lr = self.degradation(image[None], generator=generator)[0]
        sample: Sample = {"lr": lr, "hr": image}
        if some_missing:
            sample["lr"] = _filled_alike(lr, throughout(missing, self.scale))
            sample["valid"] = torch.from_numpy(~missing.any(axis=0, keepdims=True))
        scene = self.scenes.get(reader)
        if scene is not None:
            sample["scene"] = scene
        return sample

    def _turned(self, hr: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
        """Mirror axes at random, and swap the last two where they are alike.

        In 2D these are the eight symmetries of a square.
        """
        hr = np.flip(hr, tuple(axis for axis in range(1, hr.ndim) if random.random() < 0.5))
        alike = hr.shape[-1] == hr.shape[-2] and self.scale[-1] == self.scale[-2]
        if alike and random.random() < 0.5:
            return hr.swapaxes(-1, -2)
        return hr


def _filled_alike(lr: Tensor, missing: NDArray[np.bool_]) -> Tensor:
    """Fill the values of LR that are missing as prediction does."""
    return torch.from_numpy(filled(np.where(missing, np.float32(np.nan), lr.numpy())))


class RandomCrops:
    """Endless random crops; every place in the regions is equally likely.

    A crop without any valid pixel is drawn anew. Where that happens `ATTEMPTS` times, the crop is
    laid around a valid pixel instead, which is searched for. The crop at a position, its flips and
    its degradation are a pure function of the seed and the position. They are the same with any
    number of workers, on any rank and after any resume.
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
                f"data.crop_size {self.crop} is not a multiple of the scale {pairing.scale} on "
                "every axis."
            )
        self.regions = list(regions)
        self.pairing = pairing
        self.augment = augment
        places = [np.prod(self._places(region), dtype=float) for region in self.regions]
        total = np.cumsum(places)
        self.up_to = total / total[-1]
        self._valid = ValidPixels(self.regions, self.crop)

    def __getitem__(self, position: int) -> Sample:
        """The crop at `position`, any integer from 0 on."""
        random = self.pairing.random(position)
        for _ in range(ATTEMPTS):
            number = int(np.searchsorted(self.up_to, random.random(), side="right"))
            region = self.regions[number]
            start = [int(random.integers(count)) for count in self._places(region)]
            if self._valid.known_empty(number):
                continue
            hr = region.part(start, self.crop).read()
            if valid_pixels(hr).any():
                break
        else:
            region, start = self._around_a_valid_pixel(number, random)
            hr = region.part(start, self.crop).read()
        return self.pairing.of(hr, region.reader, random, symmetries=self.augment)

    def _around_a_valid_pixel(
        self, number: int, random: np.random.Generator
    ) -> tuple[Region, list[int]]:
        """Draw a crop around a valid pixel of a region, or of the next one that has any."""
        for step in range(len(self.regions)):
            place = (number + step) % len(self.regions)
            pixels = self._valid.of(place)
            if len(pixels):
                break
        else:
            raise Mistake(
                "no training file holds a pixel with a value in every band: check data.root, "
                "data.bands and the nodata values of the files."
            )
        start = []
        counts = self._places(self.regions[place])
        for at, side, count in zip(random.choice(pixels), self.crop, counts, strict=True):
            start.append(int(random.integers(max(at - side + 1, 0), min(at + 1, count))))
        return self.regions[place], start

    def scan(self) -> Iterator[NDArray[np.float32]]:
        """Give all pixels of the regions in windows ``(C, *S)``, NaN where there is no data."""
        for region in self.regions:
            yield from region.blocks()

    def _places(self, region: Region) -> list[int]:
        """Return how many crops lie side by side along each axis; at least one must."""
        places = [own - side + 1 for own, side in zip(region.shape, self.crop, strict=True)]
        if min(places) < 1:
            raise UnfitFile(
                f"a training crop of {self.crop} pixels (data.crop_size) does not fit into "
                f"{region.reader}, of which {region.shape} pixels are for training; lower "
                "data.crop_size or remove the file."
            )
        return places


class FixedViews:
    """Given parts of scenes, cropped to multiples of the scale."""

    def __init__(self, regions: Sequence[Region], pairing: Pairing) -> None:
        self.regions = []
        for region in regions:
            sizes = zip(region.shape, pairing.scale, strict=True)
            sides = [own - own % factor for own, factor in sizes]
            if not all(sides):
                raise UnfitFile(
                    f"{region.reader} is too small: a view of {region.shape} pixels is smaller "
                    f"than one LR pixel at scale {pairing.scale}; remove the file, or hold out "
                    "more of it."
                )
            self.regions.append(region.part([0] * len(sides), sides))
        self.pairing = pairing

    def __len__(self) -> int:
        return len(self.regions)

    def __getitem__(self, position: int) -> Sample:
        """The view at `position`."""
        if not 0 <= position < len(self):
            raise IndexError(position)
        return self.pairing(self.regions[position], self.pairing.random(position))

    def file(self, position: int) -> str:
        """The file of the view at `position`."""
        return str(self.regions[position].reader)
