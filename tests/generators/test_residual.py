import pytest
from networks import close, conv_size, convolution, image, randomised, size_of
from torch.nn import functional as F

from srlab.generators import Residual


def paper_parameters(*, channels, blocks, dims=2, in_channels=3, out_channels=3, cells=(4, 4)):
    """Lim et al. 2017, fig. 3: every convolution has 3 taps an axis and a bias.

    `cells` are those of each shuffle.
    """
    inner = (2 * blocks + 1) * conv_size(channels, channels, dims=dims)
    upsampler = sum(conv_size(channels, channels * number, dims=dims) for number in cells)
    first = conv_size(in_channels, channels, dims=dims)
    return first + inner + upsampler + conv_size(channels, out_channels, dims=dims)


def reference(x, state, *, blocks, factors, residual_scale):
    conv = convolution(state, "network.")
    shallow = deep = conv("head", x)
    for i in range(blocks):
        inner = conv(f"trunk.{i}.body.0", deep).clamp(min=0)
        deep = deep + residual_scale * conv(f"trunk.{i}.body.2", inner)
    x = shallow + conv(f"trunk.{blocks}", deep)
    for stage, factor in enumerate(factors):
        x = F.pixel_shuffle(conv(f"upsampler.{3 * stage}", x), factor)
    return conv("tail", x)


def test_default_size_is_that_of_edsr_baseline():
    assert size_of(Residual) == paper_parameters(channels=64, blocks=16) == 1_517_571


def test_large_size_is_that_of_edsr():
    large = {"channels": 256, "blocks": 32}
    assert size_of(Residual, **large) == paper_parameters(**large) == 43_089_923


def test_size_of_a_small_3d_network_follows_from_its_layers():
    arguments = {"in_channels": 2, "out_channels": 1, "channels": 6, "blocks": 2}
    expected = paper_parameters(**arguments, dims=3, cells=(8,))
    assert size_of(Residual, scale=2, spatial_dims=3, **arguments) == expected


@pytest.mark.parametrize(
    ("scale", "factors", "options", "residual_scale"),
    [(4, [2, 2], {}, 1.0), (3, [3], {"residual_scale": 0.1}, 0.1), (1, [], {}, 1.0)],
)
def test_forward_matches_plain_convolutions(scale, factors, options, residual_scale):
    size = {"in_channels": 3, "out_channels": 2, "channels": 6, "blocks": 2}
    network, x = randomised(Residual(scale=scale, **size, **options)), image(6, 5)
    counts = {"blocks": 2, "factors": factors, "residual_scale": residual_scale}
    close(network(x), reference(x, network.state_dict(), **counts))
