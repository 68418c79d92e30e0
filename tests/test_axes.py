import re

import pytest
from omegaconf import ListConfig

from srlab.axes import check_spatial_dims, per_axis


def test_per_axis_spells_out_every_axis():
    cases = [
        (4, 2, (4, 4)),
        (1, 3, (1, 1, 1)),
        ([1, 4, 4], 3, (1, 4, 4)),
        ((3, 1), 2, (3, 1)),
        (ListConfig([2, 3, 5]), 3, (2, 3, 5)),
    ]
    for value, spatial_dims, expected in cases:
        axes = per_axis(value, spatial_dims)
        assert axes == expected
        assert type(axes) is tuple
        assert all(type(entry) is int for entry in axes)


def test_per_axis_refuses_what_is_not_one_positive_integer_per_axis():
    for value in [
        [4],
        [4, 4, 4],
        [],
        0,
        [4, 0],
        -2,
        [-1, 4],
        True,
        [True, 4],
        2.0,
        [2.0, 2.0],
        "4",
        None,
    ]:
        message = f"got {value!r} for 2 spatial axes; give one integer >= 1, or one for each axis."
        with pytest.raises(ValueError, match=re.escape(message)):
            per_axis(value, 2)


def test_only_two_and_three_spatial_dims_exist():
    for spatial_dims in [0, 1, 4, "2"]:
        message = f"spatial_dims is {spatial_dims!r}; it must be 2 (images) or 3"
        for check in (check_spatial_dims, lambda dims: per_axis(2, dims)):
            with pytest.raises(ValueError, match=re.escape(message)):
                check(spatial_dims)
