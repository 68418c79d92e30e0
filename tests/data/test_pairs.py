import re
from collections import Counter
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from srlab.data.pairing.pairs import Pairing
from srlab.data.places.cropping import Cropping
from srlab.data.places.crops import ATTEMPTS, RandomCrops
from srlab.data.places.fixed_views import FixedViews
from srlab.data.places.regions import BLOCK, Region
from srlab.degradations import Bicubic
from srlab.io import Axis
from srlab.io.array.memory import ArrayReader
from srlab.nn.holes import filled
from srlab.normalisers.statistics import Statistics

BOTH = ("flips", "quarter_turns")


def region(image, name="array"):
    return Region.whole(ArrayReader(np.asarray(image, dtype=np.float32), name=name))


def numbered(*shape, first=0):
    """An image in which no value occurs twice."""
    return np.arange(first, first + np.prod(shape), dtype=np.float32).reshape(1, *shape)


def noise(channels, *shape):
    return (255 * np.random.default_rng(0).random((channels, *shape))).astype(np.float32)


def unchanged(hr, *, generator):
    """No degradation: these tests look at HR."""
    return hr


def pairing(scale=(1, 1), seed=0, degradation=unchanged):
    return Pairing(degradation, scale, seed)


def crops(*images, scale=(1, 1), seed=0, degradation=unchanged, **settings):
    regions = [region(image) for image in images]
    return RandomCrops(regions, pairing(scale, seed, degradation), Cropping(**settings))


def noisy(hr, *, generator):
    """A degradation that draws random numbers."""
    return hr + torch.randn(hr.shape, generator=generator)


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_sample_depends_on_seed_and_position_alone():
    image = noise(2, 40, 50)
    settings = {"crop_size": 16, "scale": (2, 2), "symmetries": BOTH}
    one, other = (crops(image, seed=3, **settings, degradation=noisy) for _ in range(2))
    forwards = {position: one[position] for position in range(20)}
    backwards = {position: other[position] for position in reversed(range(20))}
    torch.manual_seed(0)  # no global state takes part
    np.random.seed(0)
    assert all(equal(forwards[position], backwards[position]) for position in range(20))
    assert equal(one[5], other[5])
    assert equal(one[10**12], other[10**12])


def test_seeds_and_positions_give_other_samples():
    image = noise(1, 40, 50)
    lrs = [
        crops(image, crop_size=8, seed=seed, degradation=noisy)[position]["lr"].numpy().tobytes()
        for seed, position in product(range(6), range(6))
    ]
    assert len(set(lrs)) == 36


@pytest.mark.parametrize("symmetries", [(), BOTH])
def test_workers_change_nothing(symmetries):
    dataset = crops(noise(2, 40, 50), crop_size=16, symmetries=symmetries, degradation=noisy)
    batches = [[4, 5], [6, 7], [0, 1], [100, 2], [3, 9]]
    alone, shared = (
        list(DataLoader(dataset, batch_sampler=batches, num_workers=workers, collate_fn=list))
        for workers in (0, 2)
    )
    for positions, first, second in zip(batches, alone, shared, strict=True):
        for position, one, other in zip(positions, first, second, strict=True):
            assert equal(one, other)
            assert equal(one, dataset[position])


def test_every_place_of_every_region_is_equally_likely():
    images = numbered(7, 9), numbered(4, 5, first=1000), numbered(4, 4, first=2000)
    dataset = crops(*images, crop_size=4)
    corners = np.concatenate([image[0, :-3, :-3].flatten() for image in images]).tolist()
    assert len(corners) == 4 * 6 + 2 + 1
    draws = 80 * len(corners)
    seen = Counter(float(dataset[position]["hr"][0, 0, 0]) for position in range(draws))
    assert set(seen) == set(corners)
    chance = 1 / len(corners)
    allowed = 5 * (draws * chance * (1 - chance)) ** 0.5
    assert all(abs(count - draws * chance) < allowed for count in seen.values())


def test_crops_are_cut_out_of_the_image():
    image = noise(2, 13, 17)
    windows = np.lib.stride_tricks.sliding_window_view(image, (2, 6, 4))[0].reshape(-1, 2, 6, 4)
    for position in range(20):
        crop = crops(image, crop_size=(6, 4))[position]["hr"].numpy()
        assert crop.dtype == np.float32
        assert (windows == crop).all(axis=(1, 2, 3)).sum() == 1


def test_crops_stay_inside_their_region():
    image = numbered(20, 30)
    part = region(image).part([5, 10], [8, 9])
    dataset = RandomCrops([part], pairing(), Cropping(crop_size=5, symmetries=BOTH))
    inside = set(image[0, 5:13, 10:19].flatten())
    seen = [dataset[position]["hr"].flatten() for position in range(300)]
    assert set(torch.cat(seen).tolist()) == inside


def test_crops_are_turned_by_the_axes_of_their_own_file():
    square, other = numbered(4, 4), numbered(4, 4, first=100)
    readers = [ArrayReader(square), ArrayReader(other)]
    readers[1].description = replace(
        readers[1].description, axes=(Axis("y", 20.0, "m"), Axis("x", 10.0, "m"))
    )
    cropping = Cropping(crop_size=4, symmetries=BOTH)
    dataset = RandomCrops([*map(Region.whole, readers)], pairing(), cropping)
    seen = {dataset[position]["hr"].numpy().tobytes() for position in range(200)}
    turned = [np.rot90(square[0], turn) for turn in range(4)]
    turned += [np.fliplr(image) for image in turned]
    turned += [other[0, ::rows, ::columns] for rows, columns in product((1, -1), repeat=2)]
    assert seen == {np.ascontiguousarray(image).tobytes() for image in turned}


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_lr_is_pillows_bicubic_of_the_hr_crop(scale):
    bicubic = Bicubic(scale=scale)
    sizes = {"crop_size": 12 * scale, "scale": (scale, scale)}
    dataset = crops(noise(3, 80, 90), **sizes, symmetries=BOTH, degradation=bicubic)
    for position in range(3):
        sample = dataset[position]
        assert sample["hr"].shape == (3, 12 * scale, 12 * scale)
        assert sample["lr"].shape == (3, 12, 12)
        assert sample.keys() == {"lr", "hr"}
        for lr, hr in zip(sample["lr"], sample["hr"], strict=True):
            expected = np.array(Image.fromarray(hr.numpy(), "F").resize((12, 12), Image.BICUBIC))
            np.testing.assert_allclose(lr[2:-2, 2:-2], expected[2:-2, 2:-2], atol=1e-3)


def only_pair(made, image):
    """The pair of a whole image."""
    part = region(image)
    return made.of(part.read(), part, np.random.default_rng(0))


def test_missing_pixels_are_hidden_behind_the_nearest_of_their_channel():
    image = noise(2, 8, 10)
    image[0, 2:5, 3] = np.nan
    image[1, 7, 7:] = -np.inf
    image[:, 0, 0] = np.inf
    made = pairing((2, 2), degradation=Bicubic(scale=2))
    sample = only_pair(made, image)
    hidden = ~np.isfinite(image).all(axis=0)
    assert sample["valid"].dtype == torch.bool
    np.testing.assert_array_equal(sample["valid"].numpy(), ~hidden[None])
    first, second = sample["hr"].numpy()
    there = np.isfinite(image)
    np.testing.assert_array_equal(sample["hr"].numpy()[there], image[there])
    assert first[3, 3] in (image[0, 3, 2], image[0, 3, 4])
    np.testing.assert_array_equal(second[7, 8:], image[1, 6, 8:])
    for own, channel in zip((first, second), image, strict=True):
        assert own[0, 0] in (channel[0, 1], channel[1, 0])
    assert sample["lr"].isfinite().all()
    assert sample["lr"].shape == (2, 4, 5)


def test_infinities_of_any_reader_are_hidden():
    class Careless(ArrayReader):
        def read(self, window):
            return np.full((1, *(span.stop - span.start for span in window)), np.inf, np.float32)

    part = Region.whole(Careless(noise(1, 4, 4)))
    sample = pairing().of(part.read(), part, np.random.default_rng(0))
    assert not sample["valid"].any()
    assert sample["hr"].isfinite().all()


def test_holes_of_lr_are_filled_as_prediction_fills_them():
    image = noise(2, 40, 48)
    image[0, 8:28, 10:30] = np.nan  # at ×4 the block of LR pixels 2:7, 3:7 has no HR pixel
    image[1, :, 44:] = np.nan
    degradation = Bicubic(scale=4)
    sample = only_pair(pairing((4, 4), degradation=degradation), image)
    lr = degradation(sample["hr"][None])[0].numpy()
    lr[0, 2:7, 3:7] = lr[1, :, 11:] = np.nan
    np.testing.assert_array_equal(sample["lr"].numpy(), filled(lr))
    flat = np.where(np.isfinite(image), np.float32(7), np.float32(np.nan))
    constant = only_pair(pairing((4, 4), degradation=degradation), flat)
    np.testing.assert_allclose(constant["lr"].numpy(), 7, rtol=1e-6)


def test_the_mask_is_flipped_with_the_image():
    image = numbered(4, 4)
    image[0, 0, 1] = np.nan
    dataset = crops(image, crop_size=4, symmetries=BOTH)
    places = set()
    for position in range(60):
        sample = dataset[position]
        (place,) = (~sample["valid"][0]).nonzero().tolist()
        # every other value occurs once
        values, counts = np.unique(sample["hr"], return_counts=True)
        (twice,) = values[counts == 2]
        assert place in np.argwhere(sample["hr"][0].numpy() == twice).tolist()
        places.add(tuple(place))
    assert places == {(0, 1), (0, 2), (1, 0), (2, 0), (3, 1), (3, 2), (1, 3), (2, 3)}


def mostly_empty(*shape, first=0):
    """Numbered pixels in two small places alone; the second channel lacks some of them."""
    image = np.full((2, *shape), np.nan, np.float32)
    image[:, 5:8, 70:74] = numbered(3, 4, first=first + 100)
    image[:, 95:, 3:5] = numbered(5, 2, first=first + 200)[:, : len(range(shape[0])[95:])]
    image[1, 5, 70:] = np.nan
    return image


@pytest.mark.parametrize("workers", [0, 2])
def test_no_crop_is_drawn_without_a_valid_pixel(workers):
    empty = np.full((2, 60, 60), np.nan, np.float32)
    images = mostly_empty(100, 90), empty, mostly_empty(100, 90, first=1000)
    dataset = crops(*images, crop_size=8, symmetries=BOTH, degradation=noisy)
    batches = [list(range(start, start + 25)) for start in (0, 50, 25, 10**6)]
    loader = DataLoader(dataset, batch_sampler=batches, num_workers=workers, collate_fn=list)
    seen = set()
    again = crops(*images, crop_size=8, symmetries=BOTH, degradation=noisy)
    for positions, samples in zip(batches, loader, strict=True):
        for position, sample in zip(positions, samples, strict=True):
            assert sample["valid"].any()
            seen |= set(sample["hr"][0][sample["valid"][0]].tolist())
            if position % 10 == 0:
                assert equal(sample, again[position])
    # all four places, and every pixel of them that both channels have
    expected = [image[0][np.isfinite(image).all(axis=0)] for image in images]
    assert seen == set(np.concatenate(expected).tolist())


def test_crops_of_a_full_file_are_those_of_before_and_each_is_read_once():
    reader = CountingReader(noise(1, 40, 50))
    dataset = RandomCrops([Region.whole(reader)], pairing(), Cropping(crop_size=8))
    for position in range(10):
        random = np.random.default_rng([0, position])
        random.random()
        row, column = (int(random.integers(count)) for count in (33, 43))
        expected = reader.array[:, row : row + 8, column : column + 8]
        np.testing.assert_array_equal(dataset[position]["hr"], expected)
    assert reader.reads == 10


def test_an_empty_file_is_searched_once_and_an_almost_empty_one_not_for_each_crop():
    image = np.full((1, 300, 300), np.nan, np.float32)
    image[0, 211, 17] = 1
    readers = [CountingReader(image), CountingReader(np.full((1, 300, 300), np.nan, np.float32))]
    regions = [Region.whole(reader) for reader in readers]
    dataset = RandomCrops(regions, pairing(), Cropping(crop_size=4))
    for position in range(30):
        assert dataset[position]["valid"].sum() == 1
    most = 30 * ATTEMPTS
    assert readers[0].reads < most
    before = readers[1].reads
    dataset[7], dataset[8]
    assert readers[1].reads == before  # known to be empty


def test_an_empty_file_is_named(caplog):
    empty, full = np.full((1, 20, 20), np.nan), noise(1, 4, 4)
    regions = [region(empty, "empty.tif"), region(full, "full.tif")]
    dataset = RandomCrops(regions, pairing(), Cropping(crop_size=4))
    for position in range(40):
        assert "valid" not in dataset[position]
    message = (
        "empty.tif is left out of training: no crop of it holds a value in every band in 1 of 16"
    )
    assert caplog.text.count(message) == 1


def test_files_without_any_valid_pixel_are_refused():
    image = noise(2, 20, 20)
    image[0, :10] = image[1, 10:] = np.nan  # no pixel has both channels
    message = "no training crop holds a value in every band in 1 of its 16 pixels: lower data.valid"
    with pytest.raises(ValueError, match=message):
        crops(image, crop_size=4)[0]
    with pytest.raises(ValueError, match=r"data.valid_share is 50; give the share .* 0 to 1."):
        crops(image, crop_size=4, valid_share=50)


class CountingReader(ArrayReader):
    def __init__(self, array):
        super().__init__(array)
        self.array, self.reads = array, 0

    def read(self, window):
        self.reads += 1
        return super().read(window)


def test_a_crop_without_any_data_is_finite():
    made = pairing((2, 2), degradation=Bicubic(scale=2))
    sample = only_pair(made, np.full((3, 4, 4), np.nan))
    assert not sample["valid"].any()
    assert sample["hr"].isfinite().all()
    assert sample["lr"].isfinite().all()


@pytest.mark.parametrize(("crop_size", "scale"), [((10, 10), (4, 4)), ((8, 9), (1, 2))])
def test_crop_that_is_no_multiple_of_the_scale_is_refused(crop_size, scale):
    message = f"data.crop_size {crop_size} is not a multiple of the scale {scale} on every axis."
    with pytest.raises(ValueError, match=re.escape(message)):
        crops(noise(1, 40, 40), crop_size=crop_size, scale=scale)


@pytest.mark.parametrize("shape", [(15, 40), (40, 15), (1, 1)])
def test_crop_larger_than_an_image_is_refused(shape):
    message = (
        "a training crop of (16, 16) pixels (data.crop_size) does not fit into small.png, of "
        f"which {shape} pixels are for training; lower data.crop_size or remove the file."
    )
    regions = [region(noise(1, 40, 40), "large.png"), region(noise(1, *shape), "small.png")]
    with pytest.raises(ValueError, match=re.escape(message)):
        RandomCrops(regions, pairing(), Cropping(crop_size=16))


def test_views_are_cropped_to_multiples_of_the_scale():
    image = noise(2, 11, 14)
    made = pairing((4, 3), degradation=Bicubic(scale=(4, 3)))
    whole, part = FixedViews([region(image), region(image).part([1, 2], [9, 8])], made)
    np.testing.assert_array_equal(whole["hr"].numpy(), image[:, :8, :12])
    assert whole["lr"].shape == (2, 2, 4)
    np.testing.assert_array_equal(part["hr"].numpy(), image[:, 1:9, 2:8])


def test_views_are_the_same_each_time_and_as_many_as_given():
    images = [noise(1, 6, 6), noise(1, 8, 4)]
    dataset = FixedViews([region(image) for image in images], pairing(degradation=noisy))
    assert len(dataset) == 2
    assert equal(dataset[1], dataset[1])
    assert equal(
        dataset[0], FixedViews([region(image) for image in images], pairing(degradation=noisy))[0]
    )
    assert [tuple(sample["hr"].shape) for sample in dataset] == [(1, 6, 6), (1, 8, 4)]


@pytest.mark.parametrize("position", [-1, 2, 100])
def test_there_are_no_views_beyond_the_last(position):
    with pytest.raises(IndexError):
        FixedViews([region(noise(1, 6, 6))] * 2, pairing())[position]


def test_view_smaller_than_an_lr_pixel_is_refused():
    message = (
        "tiny.png is too small: a view of (3, 9) pixels is smaller than one LR pixel at scale "
        "(4, 4); remove the file, or hold out more of it."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        FixedViews([region(noise(1, 3, 9), "tiny.png")], pairing((4, 4)))


def test_a_scan_gives_every_pixel_of_the_regions_once(monkeypatch):
    monkeypatch.setitem(BLOCK, 2, 8)
    image = numbered(20, 30)
    parts = [region(image).part([5, 10], [9, 17]), region(numbered(8, 8, first=1000))]
    dataset = RandomCrops(parts, pairing(), Cropping(crop_size=5, symmetries=BOTH))
    windows = list(dataset.scan())
    assert max(window.shape for window in windows) == (1, 8, 8)
    seen = np.concatenate([window.flatten() for window in windows])
    expected = np.concatenate([part.read().flatten() for part in parts])
    np.testing.assert_array_equal(np.sort(seen), np.sort(expected))


def test_samples_carry_the_statistics_of_their_file_once_they_are_gathered(tmp_path):
    regions = [region(noise(2, 12, 12), "a"), region(100 + noise(2, 9, 30), "b")]
    made = pairing()
    training = RandomCrops(regions, made, Cropping(crop_size=8, symmetries=BOTH))
    held_out = FixedViews([regions[1].part([0, 0], [4, 4])], made)
    assert "scene" not in training[0]
    made.scenes.gather([part.reader for part in regions], tmp_path / "scenes.json")
    tables = [Statistics.of(part.read()).as_tensor() for part in regions]
    assert torch.equal(held_out[0]["scene"], tables[1])
    for position in range(10):
        sample = training[position]
        assert torch.equal(sample["scene"], tables[int(sample["hr"].min() > 100)])
