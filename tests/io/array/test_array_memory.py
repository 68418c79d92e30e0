import numpy as np

from srlab.io.array import ArrayReader


def test_what_is_not_finite_is_nan():
    image = np.array([[[1, np.inf, -np.inf, np.nan, 1e300, -2]]])
    read = ArrayReader(image).read((slice(0, 1), slice(0, 6)))
    expected = np.array([[[1, np.nan, np.nan, np.nan, np.nan, -2]]], np.float32)
    np.testing.assert_array_equal(read, expected, strict=True)
