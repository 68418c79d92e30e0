import pytest
import torch
from networks import conv_size, convolution, randomised, size_of
from torch.nn import functional as F

from srlab.generators import Residual


def paper_parameters(*, channels, blocks, dims=2, in_channels=3, out_channels=3, cells=(4, 4)):
    """Lim et al. 2017, fig. 3: every convolution has 3 taps an axis and a bias; `cells` are those of each shuffle."""
    inner = (2 * blocks + 1) * conv_size(channels, channels, dims=dims)
    upsampler = sum(conv_size(channels, channels * number, dims=dims) for number in cells)
    ends = conv_size(in_channels, channels, dims=dims) + conv_size(
        channels, out_channels, dims=dims
    )
    return inner + upsampler + ends


def reference(x, state, *, blocks, factors, residual_scale):
    conv = convolution(state, "network.")
    shallow = deep = conv("head", x)
    for i in range(blocks):
        deep = deep + residual_scale * conv(
            f"trunk.{i}.body.2", conv(f"trunk.{i}.body.0", deep).clamp(min=0)
        )
    x = shallow + conv(f"trunk.{blocks}", deep)
    for stage, factor in enumerate(factors):
        x = F.pixel_shuffle(conv(f"upsampler.{3 * stage}", x), factor)
    return conv("tail", x)


def test_default_size_is_that_of_edsr_baseline():
    assert size_of(Residual) == paper_parameters(channels=64, blocks=16) == 1_517_571


def test_large_size_is_that_of_edsr():
    assert (
        size_of(Residual, channels=256, blocks=32)
        == paper_parameters(channels=256, blocks=32)
        == 43_089_923
    )


@pytest.mark.parametrize(
    ("scale", "cells"), [(1, ()), (2, (8,)), ((1, 4, 4), (4, 4)), ((3, 1, 1), (3,))], ids=str
)
def test_size_of_a_small_3d_network_follows_from_its_layers(scale, cells):
    arguments = {"in_channels": 2, "out_channels": 1, "channels": 6, "blocks": 2}
    expected = paper_parameters(**arguments, dims=3, cells=cells)
    assert size_of(Residual, scale=scale, spatial_dims=3, **arguments) == expected


@pytest.mark.parametrize("residual_scale", [1.0, 0.1])
@pytest.mark.parametrize(("scale", "factors"), [(1, []), (2, [2]), (3, [3]), (4, [2, 2])])
def test_forward_matches_plain_convolutions(scale, factors, residual_scale):
    arguments = {"in_channels": 3, "out_channels": 2, "scale": scale, "channels": 6, "blocks": 2}
    network = randomised(Residual(**arguments, residual_scale=residual_scale))
    x = torch.randn(2, 3, 6, 5, dtype=torch.float64)
    expected = reference(
        x, network.state_dict(), blocks=2, factors=factors, residual_scale=residual_scale
    )
    torch.testing.assert_close(network(x), expected, atol=1e-10, rtol=1e-10)


def test_default_residual_scale_is_that_of_edsr_baseline():
    network = randomised(Residual(in_channels=3, out_channels=3, scale=2, channels=6, blocks=1))
    x = torch.randn(2, 3, 6, 5, dtype=torch.float64)
    expected = reference(x, network.state_dict(), blocks=1, factors=[2], residual_scale=1.0)
    torch.testing.assert_close(network(x), expected, atol=1e-10, rtol=1e-10)
