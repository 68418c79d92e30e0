import re

import pytest
import torch
from omegaconf import ListConfig
from torch import nn

from srlab.axes import check_spatial_dims, per_axis
from srlab.nn.dims import adaptive_pool, batch_norm, conv


@pytest.mark.parametrize(
    ("value", "spatial_dims", "expected"),
    [
        (4, 2, (4, 4)),
        (1, 3, (1, 1, 1)),
        ([1, 4, 4], 3, (1, 4, 4)),
        ((3, 1), 2, (3, 1)),
        (ListConfig([2, 3, 5]), 3, (2, 3, 5)),
    ],
    ids=["int", "one", "list", "tuple", "ListConfig"],
)
def test_per_axis_spells_out_every_axis(value, spatial_dims, expected):
    axes = per_axis(value, spatial_dims)
    assert axes == expected
    assert type(axes) is tuple
    assert all(type(entry) is int for entry in axes)


@pytest.mark.parametrize(
    "value",
    [
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
        "44",
        None,
        [None, 4],
    ],
    ids=repr,
)
def test_per_axis_refuses_what_is_not_one_positive_integer_per_axis(value):
    message = f"got {value!r} for 2 spatial axes; give one integer >= 1, or one for each axis."
    with pytest.raises(ValueError, match=re.escape(message)):
        per_axis(value, 2)


@pytest.mark.parametrize("spatial_dims", [0, 1, 4, "2"])
@pytest.mark.parametrize(
    "build",
    [
        check_spatial_dims,
        lambda dims: per_axis(2, dims),
        lambda dims: conv(dims, 1, 1, 3),
        lambda dims: batch_norm(dims, 1),
        lambda dims: adaptive_pool(dims, 1),
    ],
    ids=["check_spatial_dims", "per_axis", "conv", "batch_norm", "adaptive_pool"],
)
def test_only_two_and_three_spatial_dims_exist(build, spatial_dims):
    with pytest.raises(
        ValueError, match=re.escape(f"spatial_dims is {spatial_dims!r}; it must be 2 (images) or 3")
    ):
        build(spatial_dims)


@pytest.mark.parametrize("kernel_size", [1, 3, 9, (1, 3), (5, 3)])
@pytest.mark.parametrize("size", [(1, 1), (4, 7)])
def test_convolution_keeps_the_size_at_stride_one(kernel_size, size):
    assert conv(2, 2, 5, kernel_size)(torch.zeros(3, 2, *size)).shape == (3, 5, *size)


def test_convolution_keeps_the_size_of_a_volume():
    assert conv(3, 2, 5, (1, 3, 5))(torch.zeros(3, 2, 2, 3, 4)).shape == (3, 5, 2, 3, 4)


def test_convolution_at_stride_two_halves_upwards():
    assert conv(2, 1, 1, 3, stride=2)(torch.zeros(1, 1, 7, 8)).shape == (1, 1, 4, 4)
    assert conv(3, 1, 1, 3, stride=(1, 2, 2))(torch.zeros(1, 1, 5, 7, 8)).shape == (1, 1, 5, 4, 4)


def test_convolution_pads_with_zeros():
    layer = conv(2, 1, 1, 3, bias=False)
    nn.init.ones_(layer.weight)
    # a pixel of an image of ones has 4 neighbours, itself included, in a corner, 6 at an edge and 9 inside
    expected = torch.tensor([[4.0, 6.0, 4.0], [6.0, 9.0, 6.0], [4.0, 6.0, 4.0]])
    torch.testing.assert_close(layer(torch.ones(1, 1, 3, 3))[0, 0], expected)


@pytest.mark.parametrize("bias", [True, False])
def test_convolution_has_a_bias_only_on_request(bias):
    assert (conv(2, 1, 1, 3, bias=bias).bias is not None) == bias


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_batch_norm_standardises_each_channel(spatial_dims):
    torch.manual_seed(0)
    image = 3.0 + 2.0 * torch.randn(4, 2, *[5] * spatial_dims)
    channels = batch_norm(spatial_dims, 2)(image).transpose(0, 1).flatten(1)
    torch.testing.assert_close(channels.mean(1), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(channels.std(1, correction=0), torch.ones(2), atol=1e-4, rtol=0)


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_adaptive_pool_averages_into_cells(spatial_dims):
    image = torch.randn(1, 1, *[6] * spatial_dims)
    pooled = adaptive_pool(spatial_dims, 2)(image)
    assert pooled.shape == (1, 1, *[2] * spatial_dims)
    corner = image[0, 0][(slice(3),) * spatial_dims]
    torch.testing.assert_close(pooled.flatten()[0], corner.mean())
