"""Random crops of parts of files, for training."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from srlab.axes import per_axis
from srlab.data.pairing.pairs import PairMaker
from srlab.data.places.cropping import Cropping
from srlab.data.places.informative import CANDIDATES, chosen, information
from srlab.data.places.regions import Region, aligned, block_sides, by_file, where_crops_fit
from srlab.data.places.symmetries import drawn_turn
from srlab.data.places.valid_pixels import ValidPlaces, least_pixels, valid_pixels
from srlab.data.places.variations import check_chances, varied
from srlab.data.sources.source import Sample
from srlab.mistakes import Mistake, UnfitFile
from srlab.normalisers.statistics import DEVIATION

ATTEMPTS = 16
"""The number of crops that are drawn blindly before a file is searched for valid places."""

PATIENCE = 1000
"""The number of crops with enough data that are tried until one makes a pair fit for use."""

Crop = tuple[Region, NDArray[np.float32]]
"""A part of a file, and its pixels ``(C, *S)``."""


class RandomCrops:
    """An endless dataset of random crops; every place in the regions is equally likely.

    The regions of one file share no pixel, but a crop may reach from one into the next. A crop that
    holds too little data is drawn anew, and so is one that `pairing` does not accept. After
    `ATTEMPTS` such crops, a file is searched for crops that hold enough. With a weighting, one of
    several candidates is chosen (`srlab.data.places.informative`).

    The crop at a position, its turns and its degradation are a pure function of the seed and the
    position. They are the same with any number of workers, on any rank and after any resume.

    Raises a `Mistake` if `crop_size` is not a multiple of the scale, and an `UnfitFile` if a crop
    does not fit into a file.
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
        """Return the crop at `position`, any integer from 0 on."""
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
        """Draw a crop; with a weighting, one of several candidates by their information."""
        weighting = self.cropping.weighting
        if weighting == "none":
            return self._drawn(random)
        candidates = [self._drawn(random) for _ in range(CANDIDATES)]
        scores = [information(self._comparable(*crop), weighting) for crop in candidates]
        return candidates[chosen(scores, random)]

    def _comparable(self, crop: Region, hr: NDArray[np.float32]) -> NDArray[np.float32]:
        """Divide a crop by the standard deviations of its file where these are known.

        Where each file has units of its own, as in MRI, files of larger numbers would otherwise be
        drawn more often.
        """
        scene = self.pairing.scenes.get(crop.reader)
        if scene is None:
            return hr
        deviations = scene[DEVIATION, : len(hr)].numpy()
        deviations = np.where(deviations == 0, 1, deviations).astype(np.float32)
        per_channel = deviations.reshape(-1, *[1] * (hr.ndim - 1))
        in_deviations: NDArray[np.float32] = hr / per_channel
        return in_deviations

    def _drawn(self, random: np.random.Generator) -> Crop:
        """Draw a crop that holds enough data and makes an accepted pair."""
        for _ in range(ATTEMPTS):
            number = int(np.searchsorted(self.up_to, random.random(), side="right"))
            region = self.regions[number]
            places = zip(self.pairing.step, self._places(region), strict=True)
            start = [step * int(random.integers(count)) for step, count in places]
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
        """Draw crops that hold enough data until one makes an accepted pair."""
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
        """Draw a crop that holds enough data from a region, or from the next one that has any."""
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
        """Yield all pixels of the regions in windows ``(C, *S)``, NaN where there is no data."""
        for region in self.parts:
            yield from region.blocks()

    def scan_pairs(self) -> Iterator[Sample]:
        """Yield pairs that cover the regions, without symmetries; those without data are left out.

        Pixels at the end of a region that make no whole LR pixel are left out. The randomness of a
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
                continue  # a strip beside a held-out block, narrower than an LR pixel
            sides = [own - own % by for own, by in zip(region.shape, scale, strict=True)]
            for part in region.part([0] * dims, sides).tiled(size):
                hr = part.read()
                if valid_pixels(hr).any():
                    yield self.pairing.of(hr, part, self.pairing.random(number))
                number += 1

    def _places(self, region: Region) -> list[int]:
        """Return the number of places at which a crop may begin, along each axis."""
        sizes = zip(region.shape, self.crop, self.pairing.step, strict=True)
        return [(own - side) // step + 1 for own, side, step in sizes]
