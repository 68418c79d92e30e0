"""Pairs of LR and HR made by degrading parts of scenes."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import chain
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from srlab.axes import per_axis
from srlab.data.cropping import Cropping
from srlab.data.informative import CANDIDATES, chosen, information
from srlab.data.leading import without_leading
from srlab.data.regions import Region, aligned, block_sides, by_file, where_crops_fit
from srlab.data.scenes import Scenes
from srlab.data.source import Sample
from srlab.data.symmetries import UNTURNED, Turn, drawn_turn
from srlab.data.valid_pixels import ValidPlaces, least_pixels, valid_pixels
from srlab.data.variations import check_chances, varied
from srlab.degradations import Degradation
from srlab.mistakes import Mistake, UnfitFile
from srlab.nn.holes import filled, throughout
from srlab.normalisers.statistics import DEVIATION

log = logging.getLogger(__name__)

ATTEMPTS = 16
"""The crops that are drawn at random until one holds enough data."""

PATIENCE = 1000
"""The crops with enough data that are drawn then, until one makes a pair that is fit for use."""

Crop = tuple[Region, NDArray[np.float32]]
"""A part of a file, and its pixels ``(C, *S)``."""


class PairMaker(Protocol):
    """Makes pairs of parts of HR files; what is random in a pair follows from its position."""

    @property
    def scale(self) -> tuple[int, ...]:
        """The factor from LR to HR along each axis of the files."""

    @property
    def leading(self) -> int:
        """The first axes of the files that pairs do not have: those go along the others.

        Slices of volumes and frames of videos are such pairs.
        """

    @property
    def scenes(self) -> Scenes:
        """The statistics of the files, once they are gathered."""

    @property
    def step(self) -> tuple[int, ...]:
        """The HR pixels along each axis on whose multiples a part must begin."""

    def random(self, position: int) -> np.random.Generator:
        """Return the one source of randomness of the sample at `position`."""

    def accepts(self, region: Region) -> bool:
        """Whether a part of an HR file makes a pair that is fit for use."""

    def of(
        self,
        hr: NDArray[np.float32],
        region: Region,
        random: np.random.Generator,
        turn: Turn = UNTURNED,
    ) -> Sample:
        """Make a pair of HR ``(C, *S)``, the pixels of a region.

        Both are turned alike by `turn`.
        """


@dataclass(frozen=True)
class Pairing:
    """Makes LR by a degradation; what is random follows from `seed` and the position."""

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
        """Degrade HR ``(C, *S)`` of a region; a pixel that is missing in a channel is hidden.

        Missing values are filled from the nearest pixels, in HR before it is degraded. LR has none
        where no HR pixel under it has one, and is filled like an input of the model. HR is
        turned first.
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
    """Fill the values of LR that are missing as prediction does."""
    return torch.from_numpy(filled(np.where(missing, np.float32(np.nan), lr.numpy())))


class RandomCrops:
    """Endless random crops; every place in the regions is equally likely.

    Regions of one file share no pixel. A crop may reach from one into another that it touches.
    A crop that holds too little data is drawn anew, and so is one that `pairing` does not accept.
    Where that happens `ATTEMPTS` times, a file is searched for crops that hold enough. By a
    weighting of `cropping`, one of several such crops is used. The crop at a position, its turns
    and its degradation are a pure function of the seed and the position. They are the same with any
    number of workers, on any rank and after any resume.
    """

    def __init__(self, regions: Sequence[Region], pairing: PairMaker, cropping: Cropping) -> None:
        leading = pairing.leading
        self.crop = (1,) * leading + per_axis(cropping.crop_size, len(pairing.scale) - leading)
        if any(side % factor for side, factor in zip(self.crop, pairing.scale, strict=True)):
            raise Mistake(
                f"data.crop_size {self.crop} is not a multiple of the scale {pairing.scale} on "
                "every axis."
            )
        self.parts = regions
        places_of = partial(where_crops_fit, crop=self.crop, step=pairing.step)
        self.regions = [*chain.from_iterable(map(places_of, by_file(regions)))]
        self.pairing = pairing
        self.cropping = cropping
        places = [np.prod(self._places(region), dtype=float) for region in self.regions]
        total = np.cumsum(places)
        self.up_to = total / total[-1]
        check_chances(
            channel_dropout=cropping.channel_dropout, intensity_jitter=cropping.intensity_jitter
        )
        self._least = least_pixels(cropping.valid_share, self.crop)
        self._valid = ValidPlaces(
            self.regions, crop=self.crop, step=pairing.step, least=self._least
        )

    def __getitem__(self, position: int) -> Sample:
        """The crop at `position`, any integer from 0 on."""
        random = self.pairing.random(position)
        crop, hr = self._weighted(random)
        axes = crop.reader.description.axes
        scale = self.pairing.scale
        if self.cropping.turns_change_scale:
            scale = (1,) * len(scale)
        turn = drawn_turn(self.cropping.symmetries, axes, self.crop, scale, random)
        sample = self.pairing.of(hr, crop, random, turn)
        return varied(
            sample,
            random,
            channel_dropout=self.cropping.channel_dropout,
            intensity_jitter=self.cropping.intensity_jitter,
        )

    def _weighted(self, random: np.random.Generator) -> Crop:
        """Draw a crop, or one of several by what there is to see in them."""
        weighting = self.cropping.weighting
        if weighting == "none":
            return self._drawn(random)
        candidates = [self._drawn(random) for _ in range(CANDIDATES)]
        scores = [information(self._comparable(*crop), weighting) for crop in candidates]
        return candidates[chosen(scores, random)]

    def _comparable(self, crop: Region, hr: NDArray[np.float32]) -> NDArray[np.float32]:
        """Divide by the deviations of the file where these are known.

        Of files in units of their own, as in MRI, those of large numbers are no likelier then.
        """
        scene = self.pairing.scenes.get(crop.reader)
        if scene is None:
            return hr
        deviations = scene[DEVIATION, : len(hr)].numpy()
        deviations = np.where(deviations == 0, 1, deviations).astype(np.float32)
        in_deviations: NDArray[np.float32] = hr / deviations.reshape(-1, *[1] * (hr.ndim - 1))
        return in_deviations

    def _drawn(self, random: np.random.Generator) -> Crop:
        """Draw a crop that holds enough data."""
        for _ in range(ATTEMPTS):
            number = int(np.searchsorted(self.up_to, random.random(), side="right"))
            region = self.regions[number]
            start = [
                step * int(random.integers(count))
                for step, count in zip(self.pairing.step, self._places(region), strict=True)
            ]
            if self._valid.known_empty(number):
                continue
            crop = region.part(start, self.crop)
            hr = crop.read()
            enough = np.count_nonzero(valid_pixels(hr)) >= self._least
            if enough and self.pairing.accepts(crop):
                return crop, hr
        crop = self._searched(number, random)
        return crop, crop.read()

    def _searched(self, number: int, random: np.random.Generator) -> Region:
        """Draw crops that hold enough data until one makes a pair that is fit for use."""
        for _ in range(PATIENCE):
            crop = self._with_data(number, random)
            if self.pairing.accepts(crop):
                return crop
            number = int(random.integers(len(self.regions)))
        raise Mistake(
            f"none of {PATIENCE} training crops is fit for use: LR and HR show different ground in "
            "all of them; choose other files, or loosen data.max_shift or data.valid_share."
        )

    def _with_data(self, number: int, random: np.random.Generator) -> Region:
        """Draw from the crops of a region that hold enough data, or of the next that has any."""
        for step in range(len(self.regions)):
            crop = self._valid.draw((number + step) % len(self.regions), random)
            if crop is not None:
                return crop
        raise Mistake(
            f"no training crop holds a value in every band in {self._least} of its "
            f"{math.prod(self.crop)} pixels: lower data.valid_share, or check data.root, "
            "data.bands and the nodata values of the files."
        )

    def scan(self) -> Iterator[NDArray[np.float32]]:
        """Give all pixels of the regions in windows ``(C, *S)``, NaN where there is no data."""
        for region in self.parts:
            yield from region.blocks()

    def scan_pairs(self) -> Iterator[Sample]:
        """Give pairs of all parts of the regions that hold a valid pixel, without symmetries.

        The last pixels of a region that make no whole LR pixel are left out. What is random in a
        pair follows from its number.
        """
        dims, scale, leading = len(self.crop), self.pairing.scale, self.pairing.leading
        blocks = (1,) * leading + block_sides(dims - leading)
        size = [max(block // by, 1) * by for block, by in zip(blocks, scale, strict=True)]
        number = 0
        for whole in self.parts:
            try:
                region = aligned(whole, self.pairing.step)
            except UnfitFile:
                continue  # a strip beside what is held out, narrower than an LR pixel
            sides = [own - own % by for own, by in zip(region.shape, scale, strict=True)]
            for part in region.part([0] * dims, sides).tiled(size):
                hr = part.read()
                if valid_pixels(hr).any():
                    yield self.pairing.of(hr, part, self.pairing.random(number))
                number += 1

    def _places(self, region: Region) -> list[int]:
        """Return in how many places a crop may begin along each axis."""
        sizes = zip(region.shape, self.crop, self.pairing.step, strict=True)
        return [(own - side) // step + 1 for own, side, step in sizes]


class FixedViews:
    """Given parts of scenes, cropped to multiples of the scale.

    Those that make no pair which is fit for use are left out, when views are first counted.
    """

    def __init__(self, regions: Sequence[Region], pairing: PairMaker) -> None:
        self._cropped: list[Region] = []
        for whole in regions:
            region = aligned(whole, pairing.step)
            sizes = zip(region.shape, pairing.scale, strict=True)
            sides = [own - own % factor for own, factor in sizes]
            if not all(sides):
                raise UnfitFile(
                    f"{region.reader} is too small: a view of {region.shape} pixels is smaller "
                    f"than one LR pixel at scale {pairing.scale}; remove the file, or hold out "
                    "more of it."
                )
            self._cropped.append(region.part([0] * len(sides), sides))
        self.pairing = pairing

    @cached_property
    def regions(self) -> list[Region]:
        """The parts that make pairs which are fit for use; a message counts the others."""
        accepted = list(filter(self.pairing.accepts, self._cropped))
        refused = len(self._cropped) - len(accepted)
        if refused and not accepted:
            raise Mistake(
                f"none of the {refused} views is fit for use: LR and HR show different ground in "
                "each; choose other files, or loosen data.max_shift or data.valid_share."
            )
        if refused:
            log.info(
                "%d of %d views are left out: LR and HR show different ground there",
                refused, len(self._cropped),
            )  # fmt: skip
        return accepted

    def __len__(self) -> int:
        return len(self.regions)

    def __getitem__(self, position: int) -> Sample:
        """The view at `position`."""
        if not 0 <= position < len(self):
            raise IndexError(position)
        region = self.regions[position]
        return self.pairing.of(region.read(), region, self.pairing.random(position))

    def file(self, position: int) -> str:
        """The file of the view at `position`."""
        return str(self.regions[position].reader)
