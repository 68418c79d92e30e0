import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from model_examples import axes
from model_examples import card as example

from srlab.io import Axis
from srlab.io.array.memory import ArrayReader
from srlab.models.compatibility import refuse_strange_source, refuse_stranger

NAMES = ("B02", "B03", "B04")


class CountingReader(ArrayReader):
    """Keeps the windows that were read; its axes are as they are told."""

    def __init__(self, array, spatial_axes=None):
        super().__init__(array, names=NAMES[: len(array)])
        if spatial_axes:
            self.description = replace(self.description, axes=spatial_axes)
        self.windows = []

    def read(self, window):
        self.windows.append(window)
        return super().read(window)


def card(*, pixels=(10.0, 10.0), limits=((0.0, 3000.0),) * 2, scale=(4, 4), **more):
    return example(
        scale=scale,
        input_names=NAMES[: len(limits)],
        unit="reflectance × 10000",
        training_range=limits,
        axes=axes(len(scale), *pixels),
        **more,
    )


def reader(*shape, top=3000.0, pixels=(10.0, 10.0), bands=2):
    shape = shape or (80, 90)
    values = np.random.default_rng(0).uniform(0, top, (bands, *shape))
    return CountingReader(values, axes(len(shape), *pixels))


def refused(card, reader, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        refuse_stranger(card, reader)


def test_pixels_of_about_the_training_size_are_accepted():
    for size in [(10.0, 10.0), (12.0, 12.0), (8.5, 8.5), (10.0, 12.4), ()]:
        refuse_stranger(card(), reader(pixels=size))


def test_model_that_knows_no_pixel_size_accepts_any():
    refuse_stranger(card(pixels=()), reader(pixels=(2000.0, 2000.0)))


def test_pixels_less_than_twice_as_large_or_small_are_taken_with_a_warning(caplog):
    refuse_stranger(card(), reader(pixels=(10.0, 5.9)))
    (record,) = [each for each in caplog.records if each.levelname == "WARNING"]
    assert record.getMessage() == (
        "the pixels of array are 10 × 5.9 m and the model was trained on 10 × 10 m: less than a "
        "factor of 2 apart, so it goes on"
    )


def test_pixels_of_another_size_are_refused():
    cases = [
        ((20.0, 20.0), "20 × 20 m"),
        ((10.0, 20.0), "10 × 20 m"),
        ((5.0, 5.0), "5 × 5 m"),
        ((0.3048, 0.3048), "0.3048 × 0.3048 m"),
    ]
    for size, text in cases:
        message = (
            f"the pixels of array are {text} and the model was trained on 10 × 10 m; "
            "choose a model for this resolution, or force=[pixel_size] if you know better."
        )
        refused(card(), reader(pixels=size), message)


@pytest.mark.parametrize(
    ("size", "fits"),
    [
        ((1.0, 1.0, 1.0), True),  # as the training files
        ((3.0, 1.0, 1.0), True),  # as LR that was made of them
        ((2.0, 1.0, 1.0), False),
        ((3.0, 3.0, 1.0), False),
    ],
)
def test_a_model_of_uneven_scale_takes_pixels_as_it_saw_them(size, fits):
    thick = card(scale=(3, 1, 1), pixels=(1.0, 1.0, 1.0))
    image = reader(20, 21, 22, pixels=size)
    if fits:
        refuse_stranger(thick, image)
    else:
        refused(thick, image, "and the model was trained on 1 × 1 × 1 m;")
    even = card(scale=(3, 3, 3), pixels=(1.0, 1.0, 1.0))
    refused(even, reader(20, 21, 22, pixels=(3.0, 3.0, 3.0)), "trained on 1 × 1 × 1 m;")


MICROSCOPY = (Axis("y", 0.25, "µm"), Axis("x", 0.25, "µm"))
CLIP = (Axis("t", 0.04, "s"), Axis("y"), Axis("x"))


def test_spacings_are_compared_whatever_their_units():
    cases = [
        (MICROSCOPY, axes(2, 2.5e-7, 2.5e-7), None),
        (MICROSCOPY, axes(2, 250.0, 250.0, unit="nm"), None),
        (MICROSCOPY, axes(2, 0.5, 0.5, unit="µm"), "0.5 × 0.5 µm and the model was trained on 0."),
        (MICROSCOPY, axes(2, 0.5, 0.5, unit="um"), "0.5 × 0.5 um and the model was trained on 0."),
        (CLIP, (Axis("t", 40.0, "ms"), *axes(2, 5.0, 5.0)), None),
        (CLIP, axes(3, 3.0, 1.0, 1.0, unit="mm"), None),
        (
            CLIP,
            (Axis("t", 1.0, "s"), *axes(2)),
            "1 s × ? × ? and the model was trained on 0.04 s × ? × ?",
        ),
        (axes(2, 2.0, 2.0, unit="arcsec"), axes(2, 2.1, 2.1, unit="arcsec"), None),
        (axes(2, 2.0, 2.0, unit="arcsec"), axes(2, 9.0, 2.0, unit="arcsec"), "9 × 2 arcsec and"),
        (axes(2, 2.0, 2.0, unit="arcsec"), axes(2, 9.0, 2.0), None),
    ]
    for trained, got, text in cases:
        scale = (2,) * len(trained)
        model = replace(card(scale=scale, pixels=(1.0,) * len(scale)), axes=trained)
        image = CountingReader(np.full((2, *[8] * len(scale)), 2000.0), got)
        if text:
            refused(model, image, f"the pixels of array are {text}")
        else:
            refuse_stranger(model, image)


def test_values_of_about_the_training_range_are_accepted():
    for factor in [1, 5, 1 / 10, 1 / 50]:
        refuse_stranger(card(), reader(top=3000 * factor))


@pytest.mark.parametrize("factor", [1e4, 1e-4, 20, 1 / 200])
def test_values_of_another_unit_are_refused(factor):
    # of a uniform distribution the 99.9th percentile is 99.9 % of the top
    top = 3000 * factor
    with pytest.raises(ValueError, match="the values of band B02 of array reach ") as raised:
        refuse_stranger(card(), reader(top=top))
    found = re.fullmatch(
        r"the values of band B02 of array reach (\S+) and the model was trained on values up to "
        r"3000 \(reflectance × 10000\); bring the values to that unit, or force=\[value_range\] if "
        r"you know better\.",
        str(raised.value),
    )
    assert float(found[1]) == pytest.approx(0.999 * top, rel=2e-3)


def test_values_are_not_compared_where_each_scene_is_measured():
    scans = reader(top=3000 * 1e4)
    refuse_stranger(card(scope="scene"), scans)
    refused(card(scope="training"), scans, "the values of band B02 of array reach ")
    refused(card(scope="scene"), reader(pixels=(20.0, 20.0)), "20 × 20 m")


def test_the_band_in_another_unit_is_named():
    image = np.full((2, 70, 70), 2000.0)
    image[1] /= 10_000
    refused(card(), CountingReader(image), "the values of band B03 of array reach 0.2 and")


def test_bands_have_each_their_own_range():
    image = np.stack([np.full((70, 70), 0.5), np.full((70, 70), 2000.0)])
    refuse_stranger(card(limits=((0.0, 1.0), (0.0, 3000.0))), CountingReader(image))
    swapped = card(limits=((0.0, 3000.0), (0.0, 1.0)))
    refused(swapped, CountingReader(image), "trained on values up to 3000")


def test_values_below_zero_count_by_their_size():
    # decibels and Hounsfield units lie mostly below zero
    below = card(limits=((-3000.0, -1.0),) * 2)
    refuse_stranger(below, CountingReader(np.full((2, 70, 70), -2000.0)))
    message = "reach 0.2 and the model was trained on values up to 3000"
    refused(below, CountingReader(np.full((2, 70, 70), -0.2)), message)


def test_a_few_wild_pixels_do_not_make_a_stranger():
    image = np.full((2, 60, 60), 2000.0)
    image[:, 0, 0] = 1e9
    refuse_stranger(card(), CountingReader(image))


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_scene_without_values_is_no_stranger(value):
    refuse_stranger(card(), CountingReader(np.full((2, 80, 80), value)))


@pytest.mark.parametrize("missing", [np.inf, -np.inf, np.nan])
def test_missing_pixels_neither_make_a_stranger_nor_hide_one(missing):
    image = np.full((2, 80, 80), 2000.0)
    image[:, :44] = missing
    refuse_stranger(card(), CountingReader(image))
    refused(card(), CountingReader(image * 1e4), "the values of band B02 of array reach 2e+07")


def test_scenes_smaller_than_a_probe_are_seen():
    for shape in [(1, 1), (5, 3), (64, 64), (1, 500), (65, 63)]:
        refuse_stranger(card(), reader(*shape))
        stranger = CountingReader(np.full((2, *shape), 2e7))
        refused(card(), stranger, "reach 2e+07 and the model was trained on")


@pytest.mark.parametrize("shape", [(700, 2000), (3000, 100)])
def test_huge_scenes_are_probed_to_their_corners_and_not_read_whole(shape):
    huge = CountingReader(np.broadcast_to(np.float32(2000), (2, *shape)))
    refuse_stranger(card(), huge)
    for axis, length in enumerate(shape):
        spans = [window[axis] for window in huge.windows]
        assert max(span.stop - span.start for span in spans) <= 64
        assert min(span.start for span in spans) == 0
        assert max(span.stop for span in spans) == length
    corners = {(rows.start == 0, columns.start == 0) for rows, columns in huge.windows}
    assert len(corners) >= 3  # not the main diagonal alone


@pytest.mark.parametrize("place", [(0, 0), (0, -1), (-1, 0), (-1, -1)])
def test_values_in_any_corner_count(place):
    image = np.full((2, 700, 900), np.nan)
    rows, columns = (slice(0, 50) if at == 0 else slice(-50, None) for at in place)
    image[:, rows, columns] = 2e7
    refused(card(), CountingReader(image), "reach 2e+07")


@pytest.mark.parametrize("shape", [(20, 30, 40), (70, 5, 80)])
def test_volumes(shape):
    pixels = (0.001,) * 3
    volume = card(scale=(2, 2, 2), pixels=pixels, limits=((0.0, 255.0),))
    refuse_stranger(volume, reader(*shape, bands=1, top=255, pixels=pixels))
    thick = reader(*shape, bands=1, top=255, pixels=(0.001, 0.001, 0.003))
    refused(volume, thick, "0.001 × 0.001 × 0.003 m")
    bright = reader(*shape, bands=1, top=255e4, pixels=())
    refused(volume, bright, "the values of band B02 of array reach 2.5")


def named(*names):
    """A file of bands with these names."""
    return ArrayReader(np.full((len(names), 80, 80), 2000.0), names=names)


@pytest.mark.parametrize("names", [("B03", "B02"), ("b03", "B8A"), ("B02", "B02")])
def test_names_in_another_order_are_refused(names):
    message = (
        f"array has the bands {', '.join(names)} and the model was trained on B02, B03, which is "
        "another order; choose the bands by name, in the order B02, B03, or force=[band_names] if "
    )
    refused(card(), named(*names), message)
    refuse_stranger(card(), named(*names), force=["band_names"])


def test_numbers_in_another_order_are_refused_and_other_numbers_taken():
    numbered = replace(card(), input_names=("3", "1"))
    refused(numbered, named("1", "3"), "array has the bands 1, 3 and the model was trained on 3, 1")
    refuse_stranger(numbered, named("1", "2"))


@pytest.mark.parametrize(
    ("names", "warned"), [(("b02", "B03"), False), (("1", "2"), False), (("B02", "nir"), True)]
)
def test_other_names_are_taken_by_their_order_and_told(names, warned, caplog):
    refuse_stranger(card(), named(*names))
    told = f"array has the bands {', '.join(names)}, taken for B02, B03 by their order"
    assert ([record.getMessage() for record in caplog.records] == [told]) == warned


@pytest.mark.parametrize("force", [[], ["value_range", "pixel_size", "band_names"]])
def test_types_too_small_for_the_values_are_refused(force):
    image = ArrayReader(np.full((2, 80, 80), 250, np.uint8), names=NAMES[:2])
    message = (
        "array stores values up to 255 (uint8) and the model was trained on values up to 3000 "
        "(reflectance × 10000); bring the values to that unit, or force=[dtype] if you know better."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        refuse_stranger(card(), image, force=force)
    refuse_stranger(card(), image, force=["dtype"])


@pytest.mark.parametrize(
    ("stranger", "check"),
    [(reader(pixels=(20.0, 20.0)), "pixel_size"), (reader(top=3e7), "value_range")],
)
def test_only_what_is_named_is_forced(stranger, check):
    refuse_stranger(card(), stranger, force=[check])
    others = {"band_names", "dtype", "pixel_size", "value_range"} - {check}
    with pytest.raises(ValueError, match=re.escape(f"force=[{check}]")):
        refuse_stranger(card(), stranger, force=others)


class Images:
    """A source of images that are not files."""

    data_range, unit, channel_names = 10_000.0, "reflectance × 10000", NAMES[:2]

    def __init__(self, *tops):
        self.test = [{"hr": torch.full((2, 40, 40), top)} for top in tops]


def test_every_image_that_is_scored_is_compared():
    refuse_strange_source(card(), Images(3000.0, 12.0))
    with pytest.raises(ValueError, match=r"B02 of test image 1 reach 12 and the model was"):
        refuse_strange_source(card(), Images(5.0, 12.0))
    with pytest.raises(ValueError, match=r"B02 of test image 1 reach 0\.3 and the model was"):
        refuse_strange_source(card(), Images(3000.0, 0.3))
    unitless = card(limits=((0.0, 1.0),) * 2)
    with pytest.raises(ValueError, match=r"B02 of test image 0 reach 0\.3 and the configuration"):
        refuse_strange_source(unitless, Images(0.3))


def test_too_few_axes_are_refused():
    message = "array has 2 axes; the model takes 3."
    refused(card(scale=(1, 4, 4), pixels=()), reader(9, 9, pixels=()), message)


@pytest.mark.parametrize(("bands", "names"), [(1, "B02"), (3, "B02, B03, B04")])
def test_other_numbers_of_bands_are_refused(bands, names):
    message = f"array has {bands} bands ({names}) and the model takes 2 (B02, B03); choose "
    refused(card(), reader(bands=bands), f"{message}bands= to match.")
