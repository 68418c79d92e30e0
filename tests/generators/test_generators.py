"""Properties that every generator has."""

import inspect
import re

import networks
import numpy as np
import pytest
import torch
from networks import GENERATORS, inputs, randomised, that_take
from PIL import Image
from torch import nn
from torch.nn import functional as F

from srlab import generators
from srlab.generators import multiple_of, noise_channels, out_channels

CASES = [(2, (3, 1), 13), (3, (1, 4, 4), 3)]
ODD_SIZES = {2: (7, 5), 3: (3, 5, 4)}

every = pytest.mark.parametrize("build", GENERATORS, indirect=True)
cases = pytest.mark.parametrize(("dims", "scale", "channels"), CASES, ids=str)
with_skip_channels = pytest.mark.parametrize("build", that_take("skip_channels"), indirect=True)
with_upsampler = pytest.mark.parametrize("build", that_take("upsampler"), indirect=True)


@pytest.fixture
def build(request):
    """Build a tiny network; the arguments in common are the caller's."""
    return lambda *arguments, **options: networks.build(request.param, *arguments, **options)


def finer(size, scale):
    factors = (scale,) * len(size) if isinstance(scale, int) else scale
    return tuple(length * factor for length, factor in zip(size, factors, strict=True))


def target(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(3))


def names_without_gradient(network):
    return {
        name
        for name, parameter in network.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    }


def test_table_names_every_generator_with_weights():
    exported = [getattr(generators, name) for name in generators.__all__]
    modules = {kind for kind in exported if inspect.isclass(kind) and issubclass(kind, nn.Module)}
    without = {generators.Interpolation, generators.Reduced, generators.Spandrel}
    assert modules - without == {kind for kind, _ in GENERATORS.values()}


@with_upsampler
def test_every_upsampler_gives_the_scaled_size(build):
    for upsampler in ("shuffle", "nearest", "transposed"):
        network = build(scale=(1, 6), upsampler=upsampler)
        assert network(*inputs(network, 7, 5)).shape == (2, 3, 7, 30), upsampler


@every
def test_any_size_and_a_scale_of_one_will_do(build):
    for scale, size in [(3, (1, 1)), (3, (1, 9)), (1, (2, 31))]:
        network = build(scale=scale).eval()
        assert network(*inputs(network, *size, batch=1)).shape == (1, 3, *finer(size, scale))


@every
@cases
def test_gradients_reach_every_parameter_and_a_step_lowers_the_loss(build, dims, scale, channels):
    network = build(channels, scale=scale, spatial_dims=dims)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    given = inputs(network, *ODD_SIZES[dims])
    hr = target(2, channels, *finer(ODD_SIZES[dims], scale))
    sr = network(*given)
    assert sr.shape == hr.shape
    before = F.l1_loss(sr, hr)
    before.backward()
    assert names_without_gradient(network) == set()
    optimiser.step()
    assert F.l1_loss(network(*given), hr) < before


@with_skip_channels
def test_gradients_pass_a_skip_from_the_second_step_on(build):
    network = build(scale=2, skip="cubic")
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    given, hr = inputs(network, 7, 5), target(2, 3, 14, 10)

    def loss():
        optimiser.zero_grad()
        value = F.l1_loss(network(*given), hr)
        value.backward()
        return value.item()

    names = {name for name, _ in network.named_parameters()}
    before = loss()
    tail = {name for name in names if name.endswith(("tail.weight", "tail.bias"))}
    assert len(tail) == 2
    assert names - names_without_gradient(network) == tail
    optimiser.step()
    assert loss() < before
    assert names_without_gradient(network) == set()


@every
def test_bfloat16_autocast_stays_near_float32(build):
    network = build(scale=(1, 4, 4), spatial_dims=3, skip="cubic").eval()
    given = inputs(network, *ODD_SIZES[3])
    with torch.no_grad():
        expected = network(*given)
        with torch.autocast("cpu", torch.bfloat16):
            sr = network(*given)
    # bfloat16 has 8 bits of precision; a few layers lose a few of them
    torch.testing.assert_close(sr.float(), expected, atol=0.03, rtol=0.03)


def bicubic(image, height, width):
    image = Image.fromarray(image.numpy(), "F").resize((width, height), Image.BICUBIC)
    return torch.from_numpy(np.array(image))


@with_skip_channels
def test_untrained_network_with_guides_is_bicubic_of_the_named_channels(build):
    network = build(5, out_channels=2, scale=2, skip="cubic", skip_channels=(5, 1))
    given = inputs(network, 11, 13, batch=1)
    sr = network(*given).detach()[0]
    for channel, number in zip(sr, (5, 1), strict=True):
        expected = bicubic(given[0][0, number - 1], 22, 26)
        torch.testing.assert_close(channel[4:-4, 4:-4], expected[4:-4, 4:-4], atol=1e-6, rtol=0)


@every
def test_evaluation_is_deterministic_and_leaves_the_network_alone(build):
    network = build(scale=2).eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    given = inputs(network, 7, 5)
    sr = network(*given)
    assert torch.equal(network(*given), sr)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert torch.equal(build(scale=2).eval()(*given), sr)  # the same seed builds the same network


@pytest.mark.parametrize("build", sorted(set(GENERATORS) - {"rcab"}), indirect=True)
def test_shift_by_a_pixel_moves_the_output_by_the_scale(build):
    scale, axis = (1, 2, 3), 2
    size = (3, 3, 46)  # more than twice the larger receptive field's radius, of 20 LR pixels
    network = randomised(build(scale=scale, spatial_dims=3, skip="cubic"))
    lr, *noise = inputs(network, *size, batch=1, dtype=torch.float64)
    with torch.no_grad():
        whole = network(lr, *noise).movedim(2 + axis, 0)
        shifted = network(lr.narrow(2 + axis, 1, 45), *noise).movedim(2 + axis, 0)
    factor, margin = scale[axis], 21 * scale[axis]
    torch.testing.assert_close(shifted[margin:-margin], whole[factor:][margin:-margin])
    assert whole[factor:][margin:-margin].std() > 1e-4


@pytest.mark.parametrize("name", GENERATORS)
def test_members_say_what_goes_in_and_what_comes_out(name):
    wanted = 1 if name in that_take("skip_channels") else 4
    network = networks.build(name, 4, out_channels=wanted, scale=[1, 2, 2], spatial_dims=3)
    assert (network.in_channels, network.out_channels) == (4, wanted)
    assert (network.scale, network.multiple_of) == ((1, 2, 2), (1, 1, 1))
    assert network.noise_channels == (3 if name == "stochastic" else None)
    assert network(*inputs(network, 2, 3, 2)).shape == (2, wanted, 2, 6, 4)


def test_optional_members_have_defaults():
    class Stranger(nn.Module):
        in_channels, scale = 3, (1, 2)

    assert out_channels(Stranger()) is None
    assert multiple_of(Stranger()) == (1, 1)
    assert noise_channels(Stranger()) is None
    rrdb = networks.build("rrdb", 4, scale=1, unshuffle=[3, 1])
    assert (out_channels(rrdb), multiple_of(rrdb)) == (4, (3, 1))
    assert noise_channels(networks.build("stochastic", scale=2)) == 3


def test_unknown_skip_is_refused():
    for name in GENERATORS:
        kinds = ["none"] * (name in that_take("skip_channels")) + ["nearest", "linear", "cubic"]
        message = f"skip is 'bicubic'; it must be one of {', '.join(kinds)}."
        with pytest.raises(ValueError, match=re.escape(message)):
            networks.build(name, scale=2, skip="bicubic")


@every
def test_channels_and_axes_are_checked(request, build):
    name = request.node.callspec.params["build"]
    if name in that_take("skip_channels"):
        options = {"skip": "cubic", "skip_channels": [1, 2]}
        message = "skip='cubic' adds input channels [1, 2] of 4 to 3 output channels"
    else:
        options = {}
        message = f"{name} adds its input to its output, but there are 4 input and 3 output"
    with pytest.raises(ValueError, match=re.escape(message)):
        build(4, out_channels=3, scale=2, **options)
    with pytest.raises(ValueError, match=re.escape("got (1, 4, 4) for 2 spatial axes")):
        build(scale=(1, 4, 4))
    with pytest.raises(ValueError, match=re.escape("spatial_dims is 4; it must be 2")):
        build(scale=2, spatial_dims=4)


def test_axes_of_scale_one_cost_no_upsampling():
    def size(scale):
        weights = networks.build("residual", scale=scale, spatial_dims=3).named_parameters()
        return sum(weight.numel() for name, weight in weights if "upsampler." in name)

    assert size(1) == 0
    assert 0 < size((1, 1, 2)) <= size(2)
