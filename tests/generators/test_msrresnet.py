import pytest
import torch
from networks import close, conv_size, convolution, image, randomised, size_of
from torch.nn import functional as F

from srlab.generators import MSRResNet


def published_parameters(*, channels, blocks, dims=2, image_channels=3, cells=(4, 4)):
    """MSRResNet of BasicSR: no convolution after the blocks, but one after the upsampler."""
    inner = (2 * blocks + 1) * conv_size(channels, channels, dims=dims)
    upsampler = sum(conv_size(channels, channels * number, dims=dims) for number in cells)
    first = conv_size(image_channels, channels, dims=dims)
    return first + inner + upsampler + conv_size(channels, image_channels, dims=dims)


def leaky(x):
    return torch.where(x > 0, x, 0.1 * x)


def reference(x, state, *, blocks, factors, residual_scale, mode):
    conv = convolution(state)
    deep = leaky(conv("head.0", x))
    for i in range(blocks):
        inner = conv(f"trunk.{i}.body.0", deep).clamp(min=0)
        deep = deep + residual_scale * conv(f"trunk.{i}.body.2", inner)
    for stage, factor in enumerate(factors):
        deep = leaky(F.pixel_shuffle(conv(f"upsampler.{3 * stage}", deep), factor))
    sr = conv("tail", leaky(conv("refine.0", deep)))
    options = {} if mode == "nearest" else {"align_corners": False}
    return sr + F.interpolate(x, size=sr.shape[2:], mode=mode, **options)


def test_default_size_is_the_published_one():
    assert size_of(MSRResNet) == published_parameters(channels=64, blocks=16) == 1_517_571


def test_size_of_a_small_3d_network_follows_from_its_layers():
    small = {"channels": 6, "blocks": 2}
    expected = published_parameters(**small, dims=3, image_channels=2, cells=(8,))
    network = {"in_channels": 2, "out_channels": 2, "scale": 2, "spatial_dims": 3}
    assert size_of(MSRResNet, **network, **small) == expected


@pytest.mark.parametrize(
    ("scale", "factors", "options", "residual_scale", "mode"),
    [
        (4, [2, 2], {}, 1.0, "bilinear"),
        (3, [3], {"skip": "nearest", "residual_scale": 0.1}, 0.1, "nearest"),
    ],
)
def test_forward_matches_plain_convolutions(scale, factors, options, residual_scale, mode):
    size = {"in_channels": 3, "out_channels": 3, "channels": 6, "blocks": 2}
    network, x = randomised(MSRResNet(scale=scale, **size, **options)), image(6, 5)
    counts = {"blocks": 2, "factors": factors, "residual_scale": residual_scale, "mode": mode}
    close(network(x), reference(x, network.state_dict(), **counts))
