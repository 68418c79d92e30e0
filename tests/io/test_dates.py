"""Several dates as one image: channels in order, and the reference where a date holds nothing."""

import pickle

import numpy as np
import pytest

from srlab.io.array.memory import ArrayReader
from srlab.io.dates import dated
from srlab.mistakes import Mistake

WHOLE = slice(0, 4), slice(0, 5)


def date(value, names=("B04", "B08"), shape=(4, 5)):
    image = np.stack([np.full(shape, value), np.full(shape, value + 1)]).astype(np.float32)
    return ArrayReader(image, names=names, name=f"date {value}")


def test_dates_follow_the_reference_and_missing_ones_show_it():
    reader = dated(date(10), [date(20)], dates=3)
    assert reader.description.names == ("B04", "B08", "B04@1", "B08@1", "B04@2", "B08@2")
    assert str(reader) == "date 10"
    assert reader.description.tags["SRLAB_DATES"] == "date 20, missing"
    image = pickle.loads(pickle.dumps(reader)).read(WHOLE)
    assert image[:, 0, 0].tolist() == [10, 11, 20, 21, 10, 11]


def test_a_pixel_that_a_date_lacks_in_a_band_is_the_references():
    other = np.full((2, 4, 5), 7, np.float32)
    other[1, 2, 3] = np.nan
    reference = np.full((2, 4, 5), 5, np.float32)
    reference[:, 0, 0] = np.nan
    names = ("B04", "B08")
    image = dated(
        ArrayReader(reference, names=names), [ArrayReader(other, names=names)], dates=2
    ).read(WHOLE)
    expected = np.stack([reference[0], reference[1], other[0], other[1]])
    expected[2:, 2, 3] = 5
    np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (date(2, names=("B04", "B11")), r"date 2 has the bands B04, B11 and date 1 B04, B08"),
        (date(2, shape=(4, 6)), r"date 2 has \(4, 6\) pixels and date 1 has \(4, 5\)"),
    ],
)
def test_dates_that_differ_are_refused(other, message):
    with pytest.raises(Mistake, match=message):
        dated(date(1), [other], dates=2)
