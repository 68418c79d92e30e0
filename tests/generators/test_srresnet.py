import pytest
import torch
from networks import close, conv_size, convolution, image, randomised, size_of
from torch.nn import functional as F

from srlab.generators import SRResNet


def paper_parameters(*, channels, blocks, dims=2, in_channels=3, out_channels=3, cells=(4, 4)):
    """Ledig et al. 2017, fig. 4, layer by layer.

    There is no bias where batch norm follows, and one slope a PReLU.
    """
    plain = conv_size(channels, channels, dims=dims, bias=False)
    norm, slope = 2 * channels, 1
    head = conv_size(in_channels, channels, kernel=9, dims=dims) + slope
    block = 2 * (plain + norm) + slope
    stages = [conv_size(channels, channels * number, dims=dims) + slope for number in cells]
    tail = conv_size(channels, out_channels, kernel=9, dims=dims)
    return head + blocks * block + plain + norm + sum(stages) + tail


def reference(x, state, *, blocks, factors, residual_scale):
    """The evaluation-mode forward pass on the state dict; `factors` are those of the stages."""
    conv = convolution(state)

    def norm(name, x):
        mean, var, scale, shift = (
            state[f"{name}.{key}"][:, None, None]
            for key in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (var + 1e-5).sqrt() * scale + shift

    def prelu(name, x):
        return x.clamp(min=0) + state[f"{name}.weight"] * x.clamp(max=0)

    shallow = deep = prelu("head.1", conv("head.0", x))
    for block in range(blocks):
        name = f"trunk.{block}.body"
        inner = prelu(f"{name}.2", norm(f"{name}.1", conv(f"{name}.0", deep)))
        deep = deep + residual_scale * norm(f"{name}.4", conv(f"{name}.3", inner))
    x = shallow + norm(f"trunk.{blocks + 1}", conv(f"trunk.{blocks}", deep))
    for stage, factor in enumerate(factors):
        x = F.pixel_shuffle(conv(f"upsampler.{3 * stage}", x), factor)
        x = prelu(f"upsampler.{3 * stage + 2}", x)
    return conv("tail", x)


def test_size_is_the_papers():
    assert size_of(SRResNet) == paper_parameters(channels=64, blocks=16) == 1_547_350


def test_size_of_a_small_3d_network_follows_from_its_layers():
    arguments = {"in_channels": 2, "out_channels": 1, "channels": 6, "blocks": 2}
    expected = paper_parameters(**arguments, dims=3, cells=(4, 4))
    assert size_of(SRResNet, scale=(1, 4, 4), spatial_dims=3, **arguments) == expected


@pytest.mark.parametrize(
    ("scale", "factors", "options", "residual_scale"),
    [(4, [2, 2], {}, 1.0), (3, [3], {"residual_scale": 0.3}, 0.3)],
)
def test_forward_matches_plain_convolutions(scale, factors, options, residual_scale):
    size = {"in_channels": 3, "out_channels": 2, "channels": 6, "blocks": 2}
    network, x = randomised(SRResNet(scale=scale, **size, **options)), image(6, 5)
    counts = {"blocks": 2, "factors": factors, "residual_scale": residual_scale}
    close(network(x), reference(x, network.state_dict(), **counts))


def test_training_uses_the_statistics_of_the_batch():
    torch.manual_seed(0)
    network = SRResNet(in_channels=1, out_channels=1, scale=2, channels=4, blocks=1)
    x = torch.randn(2, 1, 6, 5)
    alone, beside = network(x)[:1], network(torch.cat((x[:1], 9 * x[1:])))[:1]
    assert not torch.allclose(alone, beside)
    network.eval()
    torch.testing.assert_close(network(x)[:1], network(torch.cat((x[:1], 9 * x[1:])))[:1])
