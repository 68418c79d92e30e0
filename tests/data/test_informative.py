"""How often crops are drawn by what there is to see in them."""

from itertools import product

import numpy as np
import pytest

from srlab.data.pairing.pairs import Pairing
from srlab.data.places.cropping import Cropping
from srlab.data.places.crops import RandomCrops
from srlab.data.places.informative import CANDIDATES, information
from srlab.data.places.regions import Region
from srlab.io.array.memory import ArrayReader


class InTiles(Pairing):
    """Crops begin on multiples of eight pixels, so that none lies half in the informative part."""

    step = (8, 8)


def ramps(*slopes):
    """Tiles of 8 × 8 pixels beside each other, each a ramp of a slope along its rows."""
    row = np.arange(8, dtype=np.float32)
    return np.concatenate([np.tile(slope * row, (1, 8, 1)) for slope in slopes], axis=2)


def chance(shares, scores):
    """The chance that the first kind of place is chosen, by going through all candidates."""
    total = 0.0
    for kinds in product(range(len(shares)), repeat=CANDIDATES):
        weights = [scores[kind] for kind in kinds]
        drawn = np.prod([shares[kind] for kind in kinds])
        own = sum(weight for kind, weight in zip(kinds, weights, strict=True) if kind == 0)
        total += drawn * own / sum(weights)
    return total


@pytest.mark.parametrize(
    ("weighting", "scores"),
    [("none", (1, 1)), ("gradient", (3, 1)), ("variance", (9, 1))],
)
def test_informative_places_are_drawn_as_often_as_the_formula_says(weighting, scores):
    image = ramps(3, 1, 1, 3, 1, 1, 1, 1, 3, 1)
    region = Region.whole(ArrayReader(image))
    pairing = InTiles(lambda hr, *, generator: hr, (1, 1), 0)
    dataset = RandomCrops([region], pairing, Cropping(crop_size=8, weighting=weighting))
    draws = 3000
    tops = [float(dataset[position]["hr"].max()) for position in range(draws)]
    expected = chance((0.3, 0.7), scores)
    spread = (expected * (1 - expected) / draws) ** 0.5
    assert np.mean(np.array(tops) == 21) == pytest.approx(expected, abs=4 * spread)
    again = RandomCrops([region], pairing, Cropping(crop_size=8, weighting=weighting))
    assert float(again[draws - 1]["hr"].max()) == tops[-1]


@pytest.mark.parametrize("weighting", ["gradient", "variance"])
def test_flat_places_are_drawn_evenly_where_all_is_flat(weighting):
    image = np.repeat(np.arange(10, dtype=np.float32), 8)[None, None].repeat(8, axis=1)
    pairing = InTiles(lambda hr, *, generator: hr, (1, 1), 0)
    cropping = Cropping(crop_size=8, weighting=weighting)
    dataset = RandomCrops([Region.whole(ArrayReader(image))], pairing, cropping)
    seen = np.bincount([int(dataset[position]["hr"].max()) for position in range(1000)])
    assert (np.abs(seen - 100) < 4 * 9.5).all()


@pytest.mark.parametrize("weighting", ["gradient", "variance"])
def test_hidden_pixels_say_nothing(weighting):
    image = np.full((2, 6, 7), 5, np.float32)
    image[1] = 1000
    image[0, 2] = image[1, :, 3] = np.nan
    assert information(image, weighting) == 0
    assert information(np.full((2, 6, 7), np.nan, np.float32), weighting) == 0
    image[0, 5, 5] = 6
    assert information(image, weighting) > 0


def test_scores_are_numpys():
    image = np.random.default_rng(0).normal(size=(3, 9, 8)).astype(np.float32)
    assert information(image, "variance") == pytest.approx(image.var(axis=(1, 2)).mean(), rel=1e-5)
    rows, columns = np.abs(np.diff(image, axis=1)), np.abs(np.diff(image, axis=2))
    expected = (rows.mean() + columns.mean()) / 2
    assert information(image, "gradient") == pytest.approx(expected, rel=1e-5)


def test_files_of_another_unit_are_as_likely_where_each_is_measured(tmp_path):
    image = ramps(3, 1, 1, 3, 1, 1)
    readers = [ArrayReader(image, name="a"), ArrayReader(37.5 * image, name="b")]
    pairing = InTiles(lambda hr, *, generator: hr, (1, 1), 0)
    cropping = Cropping(crop_size=8, weighting="variance")
    crops = RandomCrops([*map(Region.whole, readers)], pairing, cropping)

    def share():
        """The share of crops of the second file, by its larger values."""
        return np.mean([float(crops[position]["hr"].max()) > 21 for position in range(400)])

    assert share() > 0.9
    pairing.scenes.gather(readers, tmp_path / "scenes.json")
    assert share() == pytest.approx(0.5, abs=4 * 0.025)
