from math import erf, sqrt

import pytest
import torch
from networks import conv_size, convolution, randomised, size_of
from torch.nn import functional as F

from srlab.generators import LKA


def parameters(*, channels, blocks, expansion, dims=2, cells=(4, 4)):
    """Guo et al. 2022, fig. 2 and 3, without the normalisation layers: depthwise layers have a filter a channel."""

    def conv(inputs, outputs, kernel, *, depthwise=False):
        return conv_size(
            inputs, outputs, kernel=kernel, dims=dims, groups=inputs if depthwise else 1
        )

    wide = channels * expansion
    gate = conv(channels, channels, 5, depthwise=True) + conv(channels, channels, 7, depthwise=True)
    attention = gate + 3 * conv(channels, channels, 1)
    feed_forward = (
        conv(channels, wide, 1) + conv(wide, wide, 3, depthwise=True) + conv(wide, channels, 1)
    )
    upsampler = sum(conv(channels, channels * number, 3) for number in cells)
    ends = conv(3, channels, 3) + conv(channels, channels, 3) + conv(channels, 3, 3)
    return blocks * (attention + feed_forward) + upsampler + ends


def gelu(x):
    """Hendrycks & Gimpel 2016: x·Φ(x)."""
    return x * torch.tensor(
        [0.5 * (1 + erf(v / sqrt(2))) for v in x.flatten().tolist()], dtype=x.dtype
    ).view_as(x)


def reference(x, state, *, blocks, factors, residual_scale):
    conv = convolution(state, "network.")

    def attention(name, x):
        x = gelu(conv(f"{name}.0", x))
        channels = x.shape[1]
        near = conv(f"{name}.2.attention.0", x, groups=channels)
        far = conv(f"{name}.2.attention.1", near, groups=channels, dilation=3)
        return conv(f"{name}.3", x * conv(f"{name}.2.attention.2", far))

    def feed_forward(name, x):
        wide = conv(f"{name}.0", x)
        return conv(f"{name}.3", gelu(conv(f"{name}.1", wide, groups=wide.shape[1])))

    shallow = deep = conv("head", x)
    for i in range(blocks):
        deep = deep + residual_scale * attention(f"trunk.{i}.attention", deep)
        deep = deep + residual_scale * feed_forward(f"trunk.{i}.feed_forward", deep)
    x = shallow + conv(f"trunk.{blocks}", deep)
    for stage, factor in enumerate(factors):
        x = F.pixel_shuffle(conv(f"upsampler.{3 * stage}", x), factor)
    return conv("tail", x)


def test_default_size_follows_from_its_layers():
    assert size_of(LKA) == parameters(channels=64, blocks=16, expansion=2) == 899_075


@pytest.mark.parametrize(
    ("scale", "cells"), [(1, ()), (2, (8,)), ((1, 4, 4), (4, 4)), ((3, 1, 1), (3,))], ids=str
)
def test_size_of_a_small_3d_network_follows_from_its_layers(scale, cells):
    arguments = {"channels": 6, "blocks": 2, "expansion": 3}
    expected = parameters(**arguments, dims=3, cells=cells)
    assert size_of(LKA, scale=scale, spatial_dims=3, **arguments) == expected


@pytest.mark.parametrize(("residual_scale", "expansion"), [(1.0, 2), (0.1, 3)])
@pytest.mark.parametrize(("scale", "factors"), [(1, []), (2, [2]), (3, [3]), (4, [2, 2])])
def test_forward_matches_plain_convolutions(scale, factors, residual_scale, expansion):
    arguments = {"in_channels": 3, "out_channels": 2, "scale": scale, "channels": 6, "blocks": 2}
    network = randomised(LKA(**arguments, residual_scale=residual_scale, expansion=expansion))
    x = torch.randn(2, 3, 13, 11, dtype=torch.float64)
    expected = reference(
        x, network.state_dict(), blocks=2, factors=factors, residual_scale=residual_scale
    )
    torch.testing.assert_close(network(x), expected, atol=1e-10, rtol=1e-10)


def test_default_residual_scale_leaves_the_branches_as_they_are():
    network = randomised(LKA(in_channels=3, out_channels=3, scale=1, channels=4, blocks=1))
    x = torch.randn(2, 3, 6, 5, dtype=torch.float64)
    expected = reference(x, network.state_dict(), blocks=1, factors=[], residual_scale=1.0)
    torch.testing.assert_close(network(x), expected, atol=1e-10, rtol=1e-10)
