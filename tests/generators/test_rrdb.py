import pytest
import torch
from torch.nn import functional as F

from srlab.generators import RRDB


def paper_parameters(*, dims, in_channels, out_channels, channels, growth, blocks, upsamplings):
    """Wang et al. 2018, fig. 4, layer by layer: every convolution has 3 taps an axis and a bias."""

    def conv(inputs, outputs):
        return inputs * outputs * 3**dims + outputs

    dense = sum(conv(channels + i * growth, growth) for i in range(4)) + conv(channels + 4 * growth, channels)
    trunk = blocks * 3 * dense + conv(channels, channels)
    refine = conv(channels, channels)
    return (
        conv(in_channels, channels)
        + trunk
        + upsamplings * conv(channels, channels)
        + refine
        + conv(channels, out_channels)
    )


def reference(x, state, *, blocks, factors, residual_scale):
    """The forward pass written out in convolutions on the weights of the state dict."""

    def conv(name, x):
        return F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], padding=1)

    def leaky(x):
        return torch.maximum(x, 0.2 * x)

    def dense(name, x):
        seen = x
        for i in range(4):
            seen = torch.cat((seen, leaky(conv(f"{name}.convs.{i}", seen))), 1)
        return x + residual_scale * conv(f"{name}.convs.4", seen)

    shallow = deep = conv("head", x)
    for block in range(blocks):
        inner = deep
        for i in range(3):
            inner = dense(f"trunk.{block}.blocks.{i}", inner)
        deep = deep + residual_scale * inner
    x = shallow + conv(f"trunk.{blocks}", deep)
    for stage, factor in enumerate(factors):
        x = F.interpolate(x, scale_factor=factor, mode="nearest")
        x = leaky(conv(f"upsampler.{3 * stage + 1}", x))
    return conv("tail", leaky(conv("refine.0", x)))


def test_size_is_the_papers():
    with torch.device("meta"):
        network = RRDB(in_channels=3, out_channels=3, scale=4)
    expected = paper_parameters(dims=2, in_channels=3, out_channels=3, channels=64, growth=32, blocks=23, upsamplings=2)
    assert expected == 16_697_987  # of the authors' RRDB_ESRGAN_x4.pth
    assert sum(parameter.numel() for parameter in network.parameters()) == expected


@pytest.mark.parametrize(("scale", "upsamplings"), [(1, 0), (3, 1), ((1, 4, 4), 2)], ids=str)
def test_size_of_a_small_3d_network_follows_from_its_layers(scale, upsamplings):
    with torch.device("meta"):
        network = RRDB(
            in_channels=2,
            out_channels=1,
            scale=scale,
            spatial_dims=3,
            channels=6,
            blocks=2,
            growth_channels=4,
        )
    expected = paper_parameters(
        dims=3, in_channels=2, out_channels=1, channels=6, growth=4, blocks=2, upsamplings=upsamplings
    )
    assert sum(parameter.numel() for parameter in network.parameters()) == expected


@pytest.mark.parametrize("residual_scale", [0.2, 0.5])
@pytest.mark.parametrize(("scale", "factors"), [(1, []), (2, [2]), (3, [3]), (4, [2, 2])])
def test_forward_matches_plain_convolutions(scale, factors, residual_scale):
    torch.manual_seed(0)
    network = RRDB(
        in_channels=3,
        out_channels=2,
        scale=scale,
        channels=6,
        blocks=2,
        growth_channels=4,
        residual_scale=residual_scale,
    ).double()
    for parameter in network.parameters():
        parameter.data.normal_(std=0.2)
    x = torch.randn(2, 3, 6, 5, dtype=torch.float64)
    expected = reference(x, network.state_dict(), blocks=2, factors=factors, residual_scale=residual_scale)
    torch.testing.assert_close(network(x), expected)


def test_default_residual_scale_is_the_papers():
    torch.manual_seed(0)
    network = RRDB(in_channels=1, out_channels=1, scale=2, channels=4, blocks=1, growth_channels=2).double()
    for parameter in network.parameters():
        parameter.data.normal_(std=0.3)
    x = torch.randn(1, 1, 4, 4, dtype=torch.float64)
    expected = reference(x, network.state_dict(), blocks=1, factors=[2], residual_scale=0.2)
    torch.testing.assert_close(network(x), expected)
