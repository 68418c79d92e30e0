"""Pixels whose class is to be hidden, whatever part of an image is read."""

import pickle
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srlab.io import open_reader
from srlab.io.array.memory import ArrayReader
from srlab.io.masked import HiddenClasses
from srlab.mistakes import Mistake

SAFE = "satellite/safe_layout_noise"


def image(*shape):
    return np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)


def classes(*shape):
    return np.random.default_rng(1).integers(0, 12, (1, *shape)).astype(np.float32)


@given(
    st.sampled_from([(1, 1), (2, 2), (3, 1), (1, 6)]),
    st.tuples(*[st.integers(0, 23)] * 2),
    st.tuples(*[st.integers(1, 24)] * 2),
    st.sets(st.integers(0, 12), min_size=1),
)
@settings(max_examples=60, deadline=None)
def test_a_window_lacks_what_numpy_hides_in_the_whole(factors, start, size, hidden):
    pixels, mask = image(24, 24), classes(24 // factors[0], 24 // factors[1])
    pixels[0, 3, 4] = np.nan
    reader = HiddenClasses(ArrayReader(pixels), ArrayReader(mask), hidden)
    expected = np.where(np.isin(np.kron(mask, np.ones((1, *factors))), [*hidden]), np.nan, pixels)
    window = tuple(slice(at, min(at + side, 24)) for at, side in zip(start, size, strict=True))
    found = reader.read(window)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected[(slice(None), *window)])


def test_volumes_have_masks_too():
    pixels, mask = image(4, 6, 6), classes(4, 3, 3)
    reader = HiddenClasses(ArrayReader(pixels), ArrayReader(mask), [5])
    expected = np.where(np.kron(mask, np.ones((1, 1, 2, 2))) == 5, np.nan, pixels)
    window = (slice(1, 3), slice(3, 6), slice(1, 6))
    np.testing.assert_array_equal(reader.read(window), expected[(slice(None), *window)])


@pytest.mark.parametrize(
    ("nodata", "hidden", "shown"), [(7, [7], False), (7, [3], True), (None, [3], False)]
)
def test_where_a_mask_holds_no_data_its_nodata_value_is_the_class(nodata, hidden, shown):
    mask = ArrayReader(np.array([[[1, np.nan]]]))
    (channel,) = mask.description.channels
    mask.description = mask.description.with_channels([replace(channel, nodata=nodata)])
    reader = HiddenClasses(ArrayReader(np.ones((1, 1, 2))), mask, hidden)
    assert np.isfinite(reader.read((slice(0, 1), slice(0, 2)))).tolist() == [[[True, shown]]]


def test_a_mask_that_does_not_fit_is_refused():
    cases = [
        (
            (1, 13, 12),
            "the mask 1 in m.tif has (13, 12) pixels and a.tif has (24, 24); a mask must have",
        ),
        (
            (1, 48, 48),
            "the mask 1 in m.tif has (48, 48) pixels and a.tif has (24, 24); a mask must have",
        ),
        ((1, 2, 24, 24), "has (2, 24, 24) pixels and a.tif has (24, 24); a mask must have"),
        (
            (3, 24, 24),
            "the mask m.tif of a.tif has the 3 bands 1, 2, 3, and one band of classes is",
        ),
    ]
    for shape, message in cases:
        with pytest.raises(Mistake, match=re.escape(message)):
            HiddenClasses(
                ArrayReader(image(24, 24), name="a.tif"),
                ArrayReader(np.ones(shape), name="m.tif"),
                [1],
            )


def test_scene_classes_of_a_product_hide_its_bands(shared_data):
    (safe,) = shared_data(SAFE).glob("*.SAFE")
    bands, scl = open_reader(safe, bands=["B02", "B08"]), open_reader(safe, bands=["SCL"])
    present = scl.read(tuple(slice(0, side) for side in scl.description.shape))[0]
    values, counts = np.unique(present[np.isfinite(present)], return_counts=True)
    commonest = int(values[counts.argmax()])
    reader = pickle.loads(pickle.dumps(HiddenClasses(bands, scl, [commonest])))
    whole = tuple(slice(0, side) for side in bands.description.shape)
    fine = present.repeat(2, axis=0).repeat(2, axis=1)
    found, plain = reader.read(whole), bands.read(whole)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(plain) | (fine == commonest))
    assert str(reader) == str(safe)
    assert reader.description.tags["SRLAB_HIDDEN"] == f"{commonest} of SCL in {safe}"
