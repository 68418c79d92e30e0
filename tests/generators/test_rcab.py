import re

import pytest
import torch
from networks import close, conv_size, convolution, image, randomised, size_of
from torch.nn import functional as F

from srlab.generators import RCAB


def paper_parameters(*, channels, blocks, groups, reduction, cells=(4, 4), dims=2):
    """Zhang et al. 2018, fig. 2 and 4: two gates of one tap in each block, then a convolution."""
    full = conv_size(channels, channels, dims=dims)
    narrow = channels // reduction
    block = 2 * full + conv_size(channels, narrow, kernel=1) + conv_size(narrow, channels, kernel=1)
    trunk = groups * (blocks * block + full) + full
    upsampler = sum(conv_size(channels, channels * number, dims=dims) for number in cells)
    return conv_size(3, channels, dims=dims) + trunk + upsampler + conv_size(channels, 3, dims=dims)


def reference(x, state, *, blocks, groups, factors, residual_scale):
    conv = convolution(state, "network.")

    def block(name, x):
        inner = conv(f"{name}.body.2", conv(f"{name}.body.0", x).clamp(min=0))
        gate = conv(f"{name}.body.3.gate.1", inner.mean(dim=(2, 3), keepdim=True)).clamp(min=0)
        return x + residual_scale * inner * torch.sigmoid(conv(f"{name}.body.3.gate.3", gate))

    shallow = deep = conv("head", x)
    for i in range(groups):
        inner = deep
        for j in range(blocks):
            inner = block(f"trunk.{i}.body.{j}", inner)
        deep = deep + conv(f"trunk.{i}.body.{blocks}", inner)
    x = shallow + conv(f"trunk.{groups}", deep)
    for stage, factor in enumerate(factors):
        x = F.pixel_shuffle(conv(f"upsampler.{3 * stage}", x), factor)
    return conv("tail", x)


def test_default_size_is_that_of_rcan():
    expected = paper_parameters(channels=64, blocks=20, groups=10, reduction=16)
    assert size_of(RCAB) == expected == 15_592_355


def test_size_of_a_small_3d_network_follows_from_its_layers():
    arguments = {"channels": 6, "blocks": 2, "groups": 3, "reduction": 3}
    expected = paper_parameters(**arguments, cells=(4, 4), dims=3)
    assert size_of(RCAB, scale=(1, 4, 4), spatial_dims=3, **arguments) == expected


@pytest.mark.parametrize(
    ("scale", "factors", "options", "residual_scale"),
    [(4, [2, 2], {}, 1.0), (3, [3], {"residual_scale": 0.1}, 0.1)],
)
def test_forward_matches_plain_convolutions(scale, factors, options, residual_scale):
    size = {"channels": 6, "blocks": 2, "groups": 2, "reduction": 2}
    network = randomised(RCAB(in_channels=3, out_channels=2, scale=scale, **size, **options))
    x, counts = image(6, 5), {"blocks": 2, "groups": 2, "factors": factors}
    close(network(x), reference(x, network.state_dict(), **counts, residual_scale=residual_scale))


def test_channels_must_be_a_multiple_of_the_reduction():
    message = re.escape("channels (10) must be a multiple of reduction (4).")
    with pytest.raises(ValueError, match=message):
        RCAB(in_channels=3, out_channels=3, scale=2, channels=10, reduction=4)
