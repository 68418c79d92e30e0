from math import prod

import pytest
import torch
from networks import conv_size, convolution, randomised, size_of
from torch.nn import functional as F

from srlab.generators import Compact


def published_parameters(*, channels, blocks, dims=2, image_channels=3, cells=16):
    """SRVGGNetCompact of Real-ESRGAN: a slope for each channel after every convolution but the last."""
    inner = blocks * (conv_size(channels, channels, dims=dims) + channels)
    tail = conv_size(channels, image_channels * cells, dims=dims)
    return conv_size(image_channels, channels, dims=dims) + channels + inner + tail


def reference(x, state, *, blocks, scale, mode):
    conv = convolution(state)

    def prelu(name, x):
        return x.clamp(min=0) + state[f"{name}.weight"][:, None, None] * x.clamp(max=0)

    deep = prelu("head.1", conv("head.0", x))
    for i in range(blocks):
        deep = prelu(f"trunk.{i}.1", conv(f"trunk.{i}.0", deep))
    options = {} if mode == "nearest" else {"align_corners": False}
    return F.pixel_shuffle(conv("tail.0", deep), scale) + F.interpolate(
        x, scale_factor=scale, mode=mode, **options
    )


@pytest.mark.parametrize(("blocks", "expected"), [(16, 621_424), (32, 1_213_296)])
def test_size_is_the_published_one(blocks, expected):
    assert (
        size_of(Compact, blocks=blocks)
        == published_parameters(channels=64, blocks=blocks)
        == expected
    )


def test_default_is_the_model_of_sixteen_convolutions():
    assert size_of(Compact) == 621_424


@pytest.mark.parametrize("scale", [(1, 1, 1), (2, 2, 2), (1, 4, 4), (3, 1, 1)], ids=str)
def test_size_of_a_small_3d_network_follows_from_its_layers(scale):
    expected = published_parameters(
        channels=6, blocks=2, dims=3, image_channels=2, cells=prod(scale)
    )
    network = {"in_channels": 2, "out_channels": 2, "channels": 6, "blocks": 2}
    assert size_of(Compact, scale=scale, spatial_dims=3, **network) == expected


@pytest.mark.parametrize(
    ("options", "mode"),
    [({}, "nearest"), ({"skip": "linear"}, "bilinear")],
    ids=["default", "linear"],
)
@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_forward_matches_plain_convolutions(scale, options, mode):
    network = randomised(
        Compact(in_channels=3, out_channels=3, scale=scale, channels=6, blocks=2, **options)
    )
    x = torch.randn(2, 3, 6, 5, dtype=torch.float64)
    expected = reference(x, network.state_dict(), blocks=2, scale=scale, mode=mode)
    torch.testing.assert_close(network(x), expected, atol=1e-10, rtol=1e-10)
