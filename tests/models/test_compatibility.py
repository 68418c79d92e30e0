import re
from dataclasses import dataclass

import numpy as np
import pytest

from srlab.io.array.memory import ArrayReader
from srlab.models.bundle import ModelCard
from srlab.models.compatibility import refuse_stranger


@dataclass(frozen=True)
class Placed:
    pixel_size: tuple[float, ...] | None


class CountingReader(ArrayReader):
    """Keeps what was read, and lies where it is told."""

    def __init__(self, array, pixel_size=None, channels=None):
        super().__init__(array, channels=channels)
        self.geometry = Placed(pixel_size)
        self.windows = []

    def read(self, window):
        self.windows.append(window)
        return super().read(window)


def card(*, pixel_size=(10.0, 10.0), training_range=((0.0, 3000.0), (0.0, 3000.0)), scale=(4, 4)):
    channels = tuple(f"B{number:02d}" for number, _ in enumerate(training_range, start=2))
    return ModelCard(
        generator={},
        normaliser={},
        scale=scale,
        bands=channels,
        channels=channels,
        unit="reflectance × 10000",
        training_range=training_range,
        pixel_size=pixel_size,
        versions={},
    )


def reader(*shape, top=3000.0, pixel_size=(10.0, 10.0), bands=2):
    values = np.random.default_rng(0).uniform(0, top, (bands, *(shape or (80, 90))))
    return CountingReader(
        values, pixel_size, tuple(f"B{number:02d}" for number in range(2, 2 + bands))
    )


def refused(card, reader, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        refuse_stranger(card, reader)


@pytest.mark.parametrize("size", [(10.0, 10.0), (12.0, 12.0), (8.5, 8.5), (10.0, 12.4), None])
def test_pixels_of_about_the_training_size_are_accepted(size):
    refuse_stranger(card(), reader(pixel_size=size))


def test_model_that_knows_no_pixel_size_accepts_any():
    refuse_stranger(card(pixel_size=None), reader(pixel_size=(2000.0, 2000.0)))


@pytest.mark.parametrize(
    ("size", "text"),
    [
        ((20.0, 20.0), "20 × 20 m"),
        ((10.0, 20.0), "10 × 20 m"),
        ((12.6, 10.0), "12.6 × 10 m"),
        ((5.0, 5.0), "5 × 5 m"),
        ((0.3048, 0.3048), "0.3048 × 0.3048 m"),
    ],
)
def test_pixels_of_another_size_are_refused(size, text):
    message = (
        f"the input's pixels are {text} and the model was trained on 10 × 10 m; "
        "choose a model for this resolution, or force=true if you know better."
    )
    refused(card(), reader(pixel_size=size), message)


@pytest.mark.parametrize("factor", [1, 5, 1 / 10, 1 / 50])
def test_values_of_about_the_training_range_are_accepted(factor):
    refuse_stranger(card(), reader(top=3000 * factor))


@pytest.mark.parametrize("factor", [1e4, 1e-4, 20, 1 / 200])
def test_values_of_another_unit_are_refused(factor):
    # of a uniform distribution the 99.9th percentile is 99.9 % of the top
    top = 3000 * factor
    with pytest.raises(ValueError, match="the values of band B02 reach ") as raised:
        refuse_stranger(card(), reader(top=top))
    found = re.fullmatch(
        r"the values of band B02 reach (\S+) and the model was trained on values up to 3000 "
        r"\(reflectance × 10000\); bring the input to that unit, or force=true if you know better\.",
        str(raised.value),
    )
    assert float(found[1]) == pytest.approx(0.999 * top, rel=2e-3)


def test_the_band_in_another_unit_is_named():
    image = np.full((2, 70, 70), 2000.0)
    image[1] /= 10_000
    refused(
        card(),
        CountingReader(image, channels=("B02", "B03")),
        "the values of band B03 reach 0.2 and",
    )


def test_bands_have_each_their_own_range():
    image = np.stack([np.full((70, 70), 0.5), np.full((70, 70), 2000.0)])
    refuse_stranger(card(training_range=((0.0, 1.0), (0.0, 3000.0))), CountingReader(image))
    refused(
        card(training_range=((0.0, 3000.0), (0.0, 1.0))),
        CountingReader(image),
        "trained on values up to 3000",
    )


def test_values_below_zero_count_by_their_size():
    # decibels and Hounsfield units lie mostly below zero
    below = card(training_range=((-3000.0, -1.0),) * 2)
    refuse_stranger(below, CountingReader(np.full((2, 70, 70), -2000.0)))
    refused(
        below,
        CountingReader(np.full((2, 70, 70), -0.2)),
        "reach 0.2 and the model was trained on values up to 3000",
    )


def test_a_few_wild_pixels_do_not_make_a_stranger():
    image = np.full((2, 60, 60), 2000.0)
    image[:, 0, 0] = 1e9
    refuse_stranger(card(), CountingReader(image))


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_scene_without_values_is_no_stranger(value):
    refuse_stranger(card(), CountingReader(np.full((2, 80, 80), value)))


def test_infinite_pixels_neither_make_a_stranger_nor_hide_one():
    image = np.full((2, 80, 80), 2000.0)
    image[:, :40] = np.inf
    image[:, 40:44] = -np.inf
    refuse_stranger(card(), CountingReader(image))
    refused(card(), CountingReader(image * 1e4), "reach 2e+07 and the model was trained on")


def test_missing_pixels_hide_nothing_of_the_rest():
    image = np.full((2, 80, 80), np.nan)
    image[:, :40] = 2000.0
    refuse_stranger(card(), CountingReader(image))
    refused(
        card(),
        CountingReader(image * 1e4, channels=("B02", "B03")),
        "the values of band B02 reach 2e+07",
    )


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (64, 64), (1, 500), (65, 63)])
def test_scenes_smaller_than_a_probe_are_seen(shape):
    refuse_stranger(card(), reader(*shape))
    refused(
        card(),
        CountingReader(np.full((2, *shape), 2e7)),
        "reach 2e+07 and the model was trained on",
    )


@pytest.mark.parametrize("shape", [(700, 2000), (3000, 100)])
def test_huge_scenes_are_probed_to_their_corners_and_not_read_whole(shape):
    huge = CountingReader(np.broadcast_to(np.float32(2000), (2, *shape)))
    refuse_stranger(card(), huge)
    sizes = {tuple(span.stop - span.start for span in window) for window in huge.windows}
    assert all(side <= 64 for size in sizes for side in size)
    rows, columns = ({(w[axis].start, w[axis].stop) for w in huge.windows} for axis in (0, 1))
    for spans, length in ((rows, shape[0]), (columns, shape[1])):
        assert min(start for start, _ in spans) == 0
        assert max(stop for _, stop in spans) == length
    corners = {(w[0].start == 0, w[1].start == 0) for w in huge.windows}
    assert len(corners) >= 3  # not the main diagonal alone


@pytest.mark.parametrize("place", [(0, 0), (0, -1), (-1, 0), (-1, -1)])
def test_values_in_any_corner_count(place):
    image = np.full((2, 700, 900), np.nan)
    rows, columns = (slice(0, 50) if at == 0 else slice(-50, None) for at in place)
    image[:, rows, columns] = 2e7
    refused(card(), CountingReader(image), "reach 2e+07")


@pytest.mark.parametrize("shape", [(20, 30, 40), (70, 5, 80)])
def test_volumes(shape):
    volume = card(scale=(2, 2, 2), pixel_size=(0.001,) * 3, training_range=((0.0, 255.0),))
    refuse_stranger(volume, reader(*shape, bands=1, top=255, pixel_size=(0.001,) * 3))
    refused(
        volume,
        reader(*shape, bands=1, top=255, pixel_size=(0.001, 0.001, 0.003)),
        "0.001 × 0.001 × 0.003 m",
    )
    refused(
        volume,
        reader(*shape, bands=1, top=255e4, pixel_size=None),
        "the values of band B02 reach 2.5",
    )


@pytest.mark.parametrize(
    ("shape", "axes", "scale"), [((9, 9, 9), 3, (4, 4)), ((9, 9), 2, (1, 4, 4))]
)
def test_other_axes_are_refused(shape, axes, scale):
    message = f"the input has {axes} spatial axes; the model takes {len(scale)}."
    refused(card(scale=scale, pixel_size=None), reader(*shape), message)


@pytest.mark.parametrize(("bands", "names"), [(1, "B02"), (3, "B02, B03, B04")])
def test_other_numbers_of_bands_are_refused(bands, names):
    message = f"the input has {bands} bands ({names}) and the model takes 2 (B02, B03); choose bands= to match."
    refused(card(), reader(bands=bands), message)
