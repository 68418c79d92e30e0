"""Shifts between images, against shifts that are known and against scikit-image."""

import numpy as np
import pytest
from scipy import ndimage
from skimage.registration import phase_cross_correlation

from srlab.data.pairing.registration import phase_shift, shift_between

RNG = np.random.default_rng(0)
GROUND = ndimage.gaussian_filter(RNG.normal(size=(700, 700)), 4).astype(np.float32)


def seen(place, pixel, shape):
    """What a sensor with square pixels sees of `GROUND` from a place on."""
    height, width = shape
    part = GROUND[place[0] :, place[1] :][: height * pixel, : width * pixel]
    return part.reshape(1, height, pixel, width, pixel).mean(axis=(2, 4))


@pytest.mark.parametrize("shift", [(0, 0), (3, 0), (-5, 2), (1, -7)])
def test_finds_the_shift_of_images_at_two_resolutions(shift):
    lr = seen((100, 120), 8, (48, 52))
    rows, columns = shift  # in pixels of the ground, of which an HR pixel has two
    hr = seen((100 - rows, 120 - columns), 2, (192, 208))
    found = shift_between(3 - 50 * lr, hr, (4, 4))
    # aliasing draws it towards whole LR pixels, by less than a tenth of one
    np.testing.assert_allclose(found, (rows / 2, columns / 2), atol=0.4)


def test_pixels_without_data_do_not_hide_a_shift():
    lr = seen((100, 120), 4, (40, 40))
    hr = seen((100, 116), 2, (80, 80))
    lr[0, 3:9, 30:] = np.nan
    hr[0, 60:, :7] = np.nan
    np.testing.assert_allclose(shift_between(lr, hr, (2, 2)), (0, 2), atol=0.2)


def test_phase_shift_is_that_of_scikit_image():
    first = GROUND[50:114, 40:120].astype(float)
    second = ndimage.shift(GROUND, (2.3, -1.6))[50:114, 40:120].astype(float)
    expected, _, _ = phase_cross_correlation(second, first, upsample_factor=50)
    np.testing.assert_allclose(phase_shift(first, second), expected, atol=0.021)
