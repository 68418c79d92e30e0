import pytest
import torch
from networks import conv_size, convolution, randomised, size_of
from torch.nn import functional as F

from srlab.generators import MSRResNet


def published_parameters(*, channels, blocks, dims=2, image_channels=3, cells=(4, 4)):
    """MSRResNet of BasicSR: no convolution after the blocks, but one after the upsampler."""
    inner = (2 * blocks + 1) * conv_size(channels, channels, dims=dims)
    upsampler = sum(conv_size(channels, channels * number, dims=dims) for number in cells)
    ends = conv_size(image_channels, channels, dims=dims) + conv_size(
        channels, image_channels, dims=dims
    )
    return inner + upsampler + ends


def reference(x, state, *, blocks, factors, residual_scale, mode):
    conv = convolution(state)

    def leaky(x):
        return torch.where(x > 0, x, 0.1 * x)

    deep = leaky(conv("head.0", x))
    for i in range(blocks):
        deep = deep + residual_scale * conv(
            f"trunk.{i}.body.2", conv(f"trunk.{i}.body.0", deep).clamp(min=0)
        )
    for stage, factor in enumerate(factors):
        deep = leaky(F.pixel_shuffle(conv(f"upsampler.{3 * stage}", deep), factor))
    sr = conv("tail", leaky(conv("refine.0", deep)))
    options = {} if mode == "nearest" else {"align_corners": False}
    return sr + F.interpolate(x, size=sr.shape[2:], mode=mode, **options)


def test_default_size_is_the_published_one():
    assert size_of(MSRResNet) == published_parameters(channels=64, blocks=16) == 1_517_571


@pytest.mark.parametrize(
    ("scale", "cells"), [(1, ()), (2, (8,)), ((1, 4, 4), (4, 4)), ((3, 1, 1), (3,))], ids=str
)
def test_size_of_a_small_3d_network_follows_from_its_layers(scale, cells):
    expected = published_parameters(channels=6, blocks=2, dims=3, image_channels=2, cells=cells)
    network = {"in_channels": 2, "out_channels": 2, "channels": 6, "blocks": 2}
    assert size_of(MSRResNet, scale=scale, spatial_dims=3, **network) == expected


@pytest.mark.parametrize(
    ("options", "residual_scale", "mode"),
    [({}, 1.0, "bilinear"), ({"skip": "nearest", "residual_scale": 0.1}, 0.1, "nearest")],
    ids=["default", "nearest"],
)
@pytest.mark.parametrize(("scale", "factors"), [(1, []), (2, [2]), (3, [3]), (4, [2, 2])])
def test_forward_matches_plain_convolutions(scale, factors, options, residual_scale, mode):
    network = randomised(
        MSRResNet(in_channels=3, out_channels=3, scale=scale, channels=6, blocks=2, **options)
    )
    x = torch.randn(2, 3, 6, 5, dtype=torch.float64)
    options = {"blocks": 2, "factors": factors, "residual_scale": residual_scale, "mode": mode}
    torch.testing.assert_close(
        network(x), reference(x, network.state_dict(), **options), atol=1e-10, rtol=1e-10
    )
