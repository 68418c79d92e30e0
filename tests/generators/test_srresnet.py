import pytest
import torch
from torch.nn import functional as F

from srlab.generators import SRResNet


def paper_parameters(*, dims, in_channels, out_channels, channels, blocks, stages):
    """Ledig et al. 2017, fig. 4, layer by layer; no bias where batch norm follows, one slope a PReLU."""

    def conv(inputs, outputs, taps, *, bias):
        return inputs * outputs * taps**dims + bias * outputs

    norm, slope = 2 * channels, 1
    head = conv(in_channels, channels, 9, bias=True) + slope
    block = 2 * (conv(channels, channels, 3, bias=False) + norm) + slope
    join = conv(channels, channels, 3, bias=False) + norm
    upsampler = sum(conv(channels, channels * cells, 3, bias=True) + slope for cells in stages)
    return head + blocks * block + join + upsampler + conv(channels, out_channels, 9, bias=True)


def reference(x, state, *, blocks, factors, residual_scale):
    """The evaluation-mode forward pass written out on the state dict; `factors` are those of the stages."""

    def conv(name, x, padding=1):
        return F.conv2d(x, state[f"{name}.weight"], state.get(f"{name}.bias"), padding=padding)

    def norm(name, x):
        mean, var, scale, shift = (
            state[f"{name}.{key}"][:, None, None]
            for key in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (var + 1e-5).sqrt() * scale + shift

    def prelu(name, x):
        return x.clamp(min=0) + state[f"{name}.weight"] * x.clamp(max=0)

    shallow = deep = prelu("head.1", conv("head.0", x, 4))
    for block in range(blocks):
        name = f"trunk.{block}.body"
        inner = prelu(f"{name}.2", norm(f"{name}.1", conv(f"{name}.0", deep)))
        deep = deep + residual_scale * norm(f"{name}.4", conv(f"{name}.3", inner))
    x = shallow + norm(f"trunk.{blocks + 1}", conv(f"trunk.{blocks}", deep))
    for stage, factor in enumerate(factors):
        x = F.pixel_shuffle(conv(f"upsampler.{3 * stage}", x), factor)
        x = prelu(f"upsampler.{3 * stage + 2}", x)
    return conv("tail", x, 4)


def test_size_is_the_papers():
    with torch.device("meta"):
        network = SRResNet(in_channels=3, out_channels=3, scale=4)
    expected = paper_parameters(
        dims=2, in_channels=3, out_channels=3, channels=64, blocks=16, stages=[4, 4]
    )
    assert expected == 1_547_350
    assert sum(parameter.numel() for parameter in network.parameters()) == expected


@pytest.mark.parametrize(
    ("scale", "stages"),
    [(1, []), (2, [8]), (3, [27]), ((1, 4, 4), [4, 4]), ((3, 1, 1), [3])],
    ids=str,
)
def test_size_of_a_small_3d_network_follows_from_its_layers(scale, stages):
    with torch.device("meta"):
        network = SRResNet(
            in_channels=2, out_channels=1, scale=scale, spatial_dims=3, channels=6, blocks=2
        )
    expected = paper_parameters(
        dims=3, in_channels=2, out_channels=1, channels=6, blocks=2, stages=stages
    )
    assert sum(parameter.numel() for parameter in network.parameters()) == expected


@pytest.mark.parametrize(
    ("options", "residual_scale"), [({}, 1.0), ({"residual_scale": 0.3}, 0.3)], ids=str
)
@pytest.mark.parametrize(("scale", "factors"), [(1, []), (2, [2]), (3, [3]), (4, [2, 2])])
def test_forward_matches_plain_convolutions(scale, factors, options, residual_scale):
    torch.manual_seed(0)
    network = (
        SRResNet(in_channels=3, out_channels=2, scale=scale, channels=6, blocks=2, **options)
        .double()
        .eval()
    )
    for tensor in (*network.parameters(), *network.buffers()):
        if tensor.is_floating_point():
            tensor.data.uniform_(0.2, 0.6)
            tensor.data.mul_(1 if tensor.ndim < 2 else torch.randn_like(tensor))
    x = torch.randn(2, 3, 6, 5, dtype=torch.float64)
    expected = reference(
        x, network.state_dict(), blocks=2, factors=factors, residual_scale=residual_scale
    )
    torch.testing.assert_close(network(x), expected)


def test_training_uses_the_statistics_of_the_batch():
    torch.manual_seed(0)
    network = SRResNet(in_channels=1, out_channels=1, scale=2, channels=4, blocks=1)
    x = torch.randn(2, 1, 6, 5)
    alone, beside = network(x)[:1], network(torch.cat((x[:1], 9 * x[1:])))[:1]
    assert not torch.allclose(alone, beside)
    network.eval()
    torch.testing.assert_close(network(x)[:1], network(torch.cat((x[:1], 9 * x[1:])))[:1])
