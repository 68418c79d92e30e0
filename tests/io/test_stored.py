"""Physical values to stored ones: some survive, some are clipped, all stay clear of nodata."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from srlab.io.stored import holds, to_stored

INTEGERS = [
    np.dtype(name)
    for name in ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64")
]
FLOATS = [np.dtype(name) for name in ("float32", "float64")]
finite = st.floats(-(2.0**70), 2.0**70, width=32)


def stored(values, dtype, *, nodata=None, scale=1.0, offset=0.0):
    return to_stored(
        np.asarray(values, np.float32),
        scale=scale,
        offset=offset,
        dtype=np.dtype(dtype),
        nodata=nodata,
    )


@given(values=arrays(np.float32, 8, elements=finite), dtype=st.sampled_from(INTEGERS))
def test_integers_are_rounded_and_clipped(values, dtype):
    limits = np.iinfo(dtype)
    got = stored(values, dtype)
    expected = [
        min(max(round(float(value)), limits.min), limits.max) for value in values
    ]  # Python's: half to even
    assert got.dtype == dtype
    # the largest float64 below 2^63 and 2^64 is 512 and 1024 short of the largest integer
    np.testing.assert_allclose(
        got.astype(float), np.array(expected, dtype=float), rtol=1e-15, atol=0
    )


def test_infinities_are_clipped():
    np.testing.assert_array_equal(stored([np.inf, -np.inf], "uint8"), [255, 0])
    assert stored([np.inf], "int64")[0] > 2**62
    assert stored([np.inf], "uint64")[0] > 2**63


@given(data=st.data(), dtype=st.sampled_from(INTEGERS + FLOATS))
def test_valid_never_becomes_nodata(data, dtype):
    if dtype.kind == "f":
        nodata = data.draw(
            st.sampled_from(
                [0.0, -9999.0, 1e20, float(np.finfo(dtype).min), float(np.finfo(dtype).max)]
            )
        )
    else:
        limits = np.iinfo(dtype)
        nodata = data.draw(st.sampled_from([0, 1, 7, limits.min, min(limits.max, 2**53)]))
    near = st.sampled_from([0.0, 1.0, -1.0, 0.4, -0.4, 1e-6, -1e-6]).map(
        lambda step: float(nodata) + step
    )
    drawn = np.array([*data.draw(st.lists(near | finite, max_size=6)), 5.0])
    values = drawn[np.abs(drawn) <= np.finfo(np.float32).max].astype(np.float32)
    got = stored(values, dtype, nodata=nodata)
    assert not (got == nodata).any()
    if dtype.kind == "f":
        same = np.abs(values.astype(float) - nodata) > 1e-5 * abs(nodata) + 1e-30
        np.testing.assert_array_equal(got[same], values[same].astype(dtype))
        np.testing.assert_allclose(got, values.astype(dtype), rtol=1e-5, atol=1e-30)
    elif limits.max <= 2**31:
        np.testing.assert_array_less(
            np.abs(got - np.clip(values.astype(float), limits.min, limits.max)), 1.5001
        )


def test_neighbour_is_on_the_side_of_the_value():
    cases = [
        ("uint8", 0, -3.0, 1),
        ("uint8", 0, 0.4, 1),
        ("uint8", 255, 300.0, 254),
        ("uint8", 100, 99.8, 99),
        ("uint8", 100, 100.2, 101),
        ("int16", -32768, -4e4, -32767),
        ("uint8", 0, np.nan, 0),
    ]
    for dtype, nodata, value, expected in cases:
        assert stored([value], dtype, nodata=nodata)[0] == expected


@given(
    dtype=st.sampled_from(INTEGERS[:4]),
    scale=st.sampled_from([1e-4, 0.5, 3.0, -2.0]),
    offset=st.floats(-100, 100),
)
def test_inverse_restores_every_stored_value(dtype, scale, offset):
    limits = np.iinfo(dtype)
    every = np.arange(limits.min, limits.max + 1).astype(dtype)
    physical = (every.astype(np.float64) * scale + offset).astype(np.float32)
    tolerance = (
        2 * np.spacing(np.abs(physical).max()) / abs(scale)
    )  # float32's resolution in stored steps
    got = stored(physical, dtype, scale=scale, offset=offset)
    assert np.abs(got.astype(int) - every.astype(int)).max() <= round(tolerance)


def test_nan_needs_a_nodata_value_in_integers_only():
    with pytest.raises(
        ValueError, match="2 values are NaN, and a file of uint8 without a nodata value cannot hold"
    ):
        stored([np.nan, 1, np.nan], "uint8")
    np.testing.assert_array_equal(stored([np.nan, 1], "float32"), np.array([np.nan, 1], np.float32))
    np.testing.assert_array_equal(
        stored([np.nan, 1], "float32", nodata=np.nan), np.array([np.nan, 1], np.float32)
    )


def test_holds():
    cases = [
        ("uint8", 255, True),
        ("uint8", 256, False),
        ("uint8", -1, False),
        ("uint8", 0.5, False),
        ("uint8", float("nan"), False),
        ("float32", float("nan"), True),
        ("float32", -9999, True),
        ("float32", 1e300, False),
        ("float64", 1e300, True),
    ]
    for dtype, value, fits in cases:
        assert holds(np.dtype(dtype), value) is fits
