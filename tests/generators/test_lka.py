from functools import partial
from math import erf, sqrt

import pytest
import torch
from networks import close, conv_size, convolution, image, randomised, size_of
from torch.nn import functional as F

from srlab.generators import LKA


def parameters(*, channels, blocks, expansion, dims=2, cells=(4, 4)):
    """Guo et al. 2022, fig. 2 and 3, without the normalisation layers.

    Depthwise layers have a filter a channel.
    """
    conv, wide = partial(conv_size, dims=dims), channels * expansion
    depthwise = partial(conv, channels, channels, groups=channels)
    attention = depthwise(kernel=5) + depthwise(kernel=7) + 3 * conv(channels, channels, kernel=1)
    feed_forward = conv(channels, wide, kernel=1) + conv(wide, channels, kernel=1)
    feed_forward += conv(wide, wide, kernel=3, groups=wide)
    upsampler = sum(conv(channels, channels * number) for number in cells)
    ends = conv(3, channels) + conv(channels, channels) + conv(channels, 3)
    return blocks * (attention + feed_forward) + upsampler + ends


def gelu(x):
    """Hendrycks & Gimpel 2016: x·Φ(x)."""
    shares = [0.5 * (1 + erf(value / sqrt(2))) for value in x.flatten().tolist()]
    return x * torch.tensor(shares, dtype=x.dtype).view_as(x)


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


def test_size_of_a_small_3d_network_follows_from_its_layers():
    arguments = {"channels": 6, "blocks": 2, "expansion": 3}
    expected = parameters(**arguments, dims=3, cells=(3,))
    assert size_of(LKA, scale=(3, 1, 1), spatial_dims=3, **arguments) == expected


@pytest.mark.parametrize(
    ("scale", "factors", "options", "residual_scale"),
    [(4, [2, 2], {}, 1.0), (3, [3], {"residual_scale": 0.1, "expansion": 3}, 0.1)],
)
def test_forward_matches_plain_convolutions(scale, factors, options, residual_scale):
    size = {"in_channels": 3, "out_channels": 2, "channels": 6, "blocks": 2}
    network, x = randomised(LKA(scale=scale, **size, **options)), image(13, 11)
    counts = {"blocks": 2, "factors": factors, "residual_scale": residual_scale}
    close(network(x), reference(x, network.state_dict(), **counts))
