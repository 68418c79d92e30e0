import pytest
import torch
from torch import nn

from srlab.nn.dims import adaptive_pool, batch_norm, conv, even_conv

each_dims = pytest.mark.parametrize("dims", [2, 3], ids=["2D", "3D"])


def test_layers_exist_for_two_and_three_spatial_dims_only():
    for build in (
        lambda dims: conv(dims, 1, 1, 3),
        lambda dims: even_conv(dims, 1, 1, stride=2),
        lambda dims: batch_norm(dims, 1),
        lambda dims: adaptive_pool(dims, 1),
    ):
        with pytest.raises(ValueError, match="spatial_dims is 4; it must be 2"):
            build(4)


@pytest.mark.parametrize("kernel_size", [1, 9, (5, 3)])
def test_convolution_keeps_the_size_at_stride_one(kernel_size):
    for size in ((1, 1), (4, 7)):
        assert conv(2, 2, 5, kernel_size)(torch.zeros(3, 2, *size)).shape == (3, 5, *size)


def test_convolution_keeps_the_size_of_a_volume():
    assert conv(3, 2, 5, (1, 3, 5))(torch.zeros(3, 2, 2, 3, 4)).shape == (3, 5, 2, 3, 4)


def test_convolution_at_stride_two_halves_upwards():
    assert conv(2, 1, 1, 3, stride=2)(torch.zeros(1, 1, 7, 8)).shape == (1, 1, 4, 4)
    assert conv(3, 1, 1, 3, stride=(1, 2, 2))(torch.zeros(1, 1, 5, 7, 8)).shape == (1, 1, 5, 4, 4)


def test_convolution_pads_with_zeros():
    layer = conv(2, 1, 1, 3, bias=False)
    nn.init.ones_(layer.weight)
    # a pixel of an image of ones has 4 neighbours, itself included, in a corner and 6 at an edge
    expected = torch.tensor([[4.0, 6.0, 4.0], [6.0, 9.0, 6.0], [4.0, 6.0, 4.0]])
    torch.testing.assert_close(layer(torch.ones(1, 1, 3, 3))[0, 0], expected)


def test_convolution_has_a_bias_only_on_request():
    assert conv(2, 1, 1, 3).bias is not None
    assert conv(2, 1, 1, 3, bias=False).bias is None


def test_convolution_needs_channels():
    with pytest.raises(ValueError, match="a convolution from 3 to 0 channels; there must be 1"):
        conv(2, 3, 0, 3)


@each_dims
def test_even_convolution_halves_any_size(dims):
    for kernel in (2, 4, 6):
        layer = even_conv(dims, 1, 1, kernel, stride=2)
        for side in (6, 7, 8, 9):
            assert layer(torch.rand(1, 1, *[side] * dims)).shape[2:] == (side // 2,) * dims


def test_even_convolution_refuses_odd_kernels():
    message = "kernel_size is 3; even_conv takes even kernels, conv takes odd ones"
    with pytest.raises(ValueError, match=message):
        even_conv(2, 1, 1, 3, stride=2)


@each_dims
def test_batch_norm_standardises_each_channel(dims):
    torch.manual_seed(0)
    image = 3.0 + 2.0 * torch.randn(4, 2, *[5] * dims)
    channels = batch_norm(dims, 2)(image).transpose(0, 1).flatten(1)
    torch.testing.assert_close(channels.mean(1), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(channels.std(1, correction=0), torch.ones(2), atol=1e-4, rtol=0)


@each_dims
def test_adaptive_pool_averages_into_cells(dims):
    image = torch.randn(1, 1, *[6] * dims)
    pooled = adaptive_pool(dims, 2)(image)
    assert pooled.shape == (1, 1, *[2] * dims)
    corner = image[0, 0][(slice(3),) * dims]
    torch.testing.assert_close(pooled.flatten()[0], corner.mean())
