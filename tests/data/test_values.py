import re

import numpy as np
import pytest
import torch

from srlab.data.measuring.values import check_values, full_scale, values_of
from srlab.degradations import Bicubic
from srlab.io.array.memory import ArrayReader


@pytest.mark.parametrize(
    ("dtype", "top", "expected"),
    [
        ("uint8", 3, (255.0, "8-bit value")),
        ("uint16", 4095, (65535.0, "16-bit value")),
        ("int16", 4095, (32767.0, "16-bit value")),
        ("float32", 0.9, (1.0, "0–1")),
    ],
)
def test_full_scale_is_that_of_the_type(dtype, top, expected):
    assert values_of(ArrayReader(np.full((2, 9, 9), top, dtype))) == expected


@pytest.mark.parametrize("top", [1.5, 212.0, np.nan])
def test_floats_beyond_one_ask_for_the_keys(top):
    message = "holds floats up to .*, whose full scale its type does not tell; set data.data_range"
    with pytest.raises(ValueError, match=message):
        values_of(ArrayReader(np.full((2, 9, 9), top, np.float32)))


def test_measured_full_scale_is_about_the_largest_value_of_the_brightest_file():
    ramp = np.arange(1000, dtype=np.float32).reshape(1, 10, 10, 10)
    files = [ArrayReader(gain * ramp, name=str(gain)) for gain in (1.0, 37.5, 2.0)]
    assert full_scale(files, "measured") == (pytest.approx(37.5 * 998.001), "")
    assert full_scale(files[:1], 20.0) == (20.0, "")
    with pytest.raises(ValueError, match=r"0 holds no value above 0 to measure data.data_range"):
        full_scale([ArrayReader(0 * ramp, name="0")], "measured")


class Source:
    """Training crops of noise up to a value."""

    channel_names, unit = ("red", "nir"), "reflectance × 10000"

    def __init__(self, top, data_range=10_000.0):
        noise = torch.rand(2, 16, 16, generator=torch.Generator().manual_seed(0))
        self.training = [{"hr": top * noise}] * 4
        self.ranges = [(0.0, top)] * 2
        self.data_range = data_range


def check(source, degradation=None, **force):
    check_values(source, source.ranges, degradation or Bicubic(scale=2), **force)


@pytest.mark.parametrize("top", [300.0, 3000.0, 20_000.0])
def test_values_in_the_unit_of_the_configuration_are_taken(top):
    check(Source(top))


@pytest.mark.parametrize(("top", "told"), [(4095.0, 1), (20_000.0, 0)])
def test_files_of_fewer_bits_than_their_type_are_told(top, told, caplog):
    check(Source(top, 65_535.0))
    assert caplog.text.count("reach 4095, far below data.data_range=65535") == told
    assert len(caplog.records) == told


@pytest.mark.parametrize("top", [0.3, 3e6])
def test_training_values_of_another_unit_are_refused(top):
    message = (
        f"the values of band red of the training files reach {top:.4g} and the configuration "
        "speaks of values up to 10000 (reflectance × 10000); set data.data_range and data.unit"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        check(Source(top))
    check(Source(top), force=["value_range"])


@pytest.mark.parametrize(("top", "data_range"), [(60_000.0, 65_535.0), (1.0, 1.0)])
def test_a_degradation_for_values_of_another_unit_is_refused(top, data_range):
    eight_bits = Bicubic(scale=2, integers=[0, 255])
    with pytest.raises(ValueError, match=r"the degradation changes flat images of .* another unit"):
        check(Source(top, data_range), eight_bits)
    check(Source(255.0, 255.0), eight_bits)
    check(Source(top, data_range), lambda hr, generator: 1.2 * hr[..., ::2, ::2])
