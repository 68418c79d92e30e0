"""Crops are drawn only where enough is valid, and everywhere there alike."""

from collections import Counter

import numpy as np
import pytest

import srlab.data.places.regions
from srlab.data.pairing.pairs import Pairing
from srlab.data.places.cropping import Cropping
from srlab.data.places.crops import RandomCrops
from srlab.data.places.regions import Region
from srlab.data.places.valid_pixels import ValidPlaces, least_pixels
from srlab.io.array.memory import ArrayReader


def sparse(*shape):
    """Numbered pixels in a tenth of an image, in a few places."""
    image = np.arange(np.prod(shape), dtype=np.float32).reshape(1, *shape)
    shown = np.zeros(shape, bool)
    for corner in np.random.default_rng(0).integers(0, min(shape) - 5, (3, len(shape))):
        shown[tuple(slice(at, at + 5) for at in corner)] = True
    return np.where(shown, image, np.nan)


def places(image, crop, least, step):
    """All places at which a crop holds enough, found one by one."""
    windows = np.lib.stride_tricks.sliding_window_view(np.isfinite(image[0]), crop)
    counts = windows.sum(axis=tuple(range(-len(crop), 0)))
    found = map(tuple, np.argwhere(counts >= least).tolist())
    return [at for at in found if not any(np.mod(at, step))]


def check_equally_frequent(seen, expected):
    assert set(seen) == set(expected)
    draws, chance = sum(seen.values()), 1 / len(expected)
    allowed = 5 * (draws * chance * (1 - chance)) ** 0.5
    assert all(abs(count - draws * chance) < allowed for count in seen.values())


@pytest.mark.parametrize(
    ("shape", "crop", "step", "least"),
    [
        ((40, 50), (6, 4), (1, 1), 12),
        ((40, 50), (6, 4), (3, 2), 1),
        ((14, 12, 13), (4, 4, 4), (2, 1, 2), 20),
    ],
)
def test_every_place_with_enough_data_is_found_and_equally_likely(
    monkeypatch, shape, crop, step, least
):
    monkeypatch.setattr(srlab.data.places.regions, "BLOCK", {2: 16, 3: 8})  # several blocks
    image = sparse(*shape)
    expected = places(image, crop, least, step)
    assert len(expected) > 10
    region = Region.whole(ArrayReader(image))
    found = ValidPlaces([region], crop=crop, step=step, least=least)
    random = np.random.default_rng(1)
    draws = [found.draw(0, random) for _ in range(60 * len(expected))]
    assert {drawn.shape for drawn in draws} == {crop}
    check_equally_frequent(
        Counter(tuple(span.start for span in drawn.window) for drawn in draws), expected
    )


class Watched(ArrayReader):
    """A reader that notes where each window begins."""

    def __init__(self, array):
        super().__init__(array)
        self.starts = []

    def read(self, window):
        self.starts.append(tuple(span.start for span in window))
        return super().read(window)


def test_crops_hold_the_share_of_data_asked_for_wherever_they_do():
    image = sparse(40, 50)
    reader = Watched(image)
    part = Region.whole(reader).part([3, 5], [37, 45])
    pairing = Pairing(lambda hr, *, generator: hr, (1, 1), 0)
    dataset = RandomCrops([part], pairing, Cropping(crop_size=5, valid_share=0.7))
    expected = [at for at in places(image, (5, 5), 18, (1, 1)) if at[0] >= 3 and at[1] >= 5]
    seen = Counter()
    for position in range(60 * len(expected)):
        sample = dataset[position]
        assert "valid" not in sample or sample["valid"].sum() >= 18
        seen[reader.starts[-1]] += 1
    check_equally_frequent(seen, expected)


def test_a_share_is_met_exactly():
    for share, least in [(0, 1), (0.001, 1), (0.07, 7), (0.5, 50), (0.501, 51), (1, 100)]:
        assert least_pixels(share, (10, 10)) == least
