"""Properties that every generator has."""

import inspect
import re
from math import prod

import networks
import numpy as np
import pytest
import torch
from networks import GENERATORS, inputs, randomised, that_take
from PIL import Image
from torch import nn
from torch.nn import functional as F

from srlab import generators

SCALES = {2: [2, 3, 4, (3, 1)], 3: [2, 3, 4, (1, 4, 4), (3, 1, 1)]}
CASES = [
    pytest.param(dims, scale, id=f"{dims}D-x{scale}") for dims in SCALES for scale in SCALES[dims]
]
ODD_SIZES = {2: (7, 5), 3: (3, 5, 4)}

every = pytest.mark.parametrize("build", GENERATORS, indirect=True)
optional_skip = pytest.mark.parametrize("build", that_take("skip_channels"), indirect=True)
skips = pytest.mark.parametrize("options", [{}, {"skip": "cubic"}], ids=["default", "cubic"])


@pytest.fixture
def build(request):
    """Build a tiny network; the arguments in common are the caller's."""
    return lambda *arguments, **options: networks.build(request.param, *arguments, **options)


def finer(size, scale):
    factors = (scale,) * len(size) if isinstance(scale, int) else scale
    return tuple(length * factor for length, factor in zip(size, factors, strict=True))


def names_without_gradient(network):
    return {
        name
        for name, parameter in network.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    }


def test_table_names_every_generator_with_weights():
    exported = {getattr(generators, name) for name in generators.__all__}
    with_weights = set()
    for kind in (kind for kind in exported if issubclass(kind, nn.Module)):
        arguments = {"in_channels": 3, "out_channels": 3, "scale": 2}
        with torch.device("meta"):
            network = kind(
                **{
                    key: arguments[key]
                    for key in arguments
                    if key in inspect.signature(kind).parameters
                }
            )
        if list(network.parameters()):
            with_weights.add(kind)
    assert with_weights == {kind for kind, _ in GENERATORS.values()}


@every
@pytest.mark.parametrize("channels", [1, 3, 13])
@pytest.mark.parametrize(("dims", "scale"), CASES)
def test_output_has_exactly_the_scaled_size_and_is_finite(build, dims, scale, channels):
    network = build(channels, scale=scale, spatial_dims=dims)
    given = inputs(network, *ODD_SIZES[dims])
    with torch.no_grad():
        sr = network(*given)
        with torch.autocast("cpu", torch.bfloat16):
            in_bfloat16 = network(*given)
    assert sr.shape == in_bfloat16.shape == (2, channels, *finer(ODD_SIZES[dims], scale))
    assert sr.isfinite().all()
    assert in_bfloat16.isfinite().all()


@pytest.mark.parametrize("build", that_take("upsampler"), indirect=True)
@pytest.mark.parametrize("upsampler", ["shuffle", "nearest", "transposed"])
@pytest.mark.parametrize(("dims", "scale"), [(2, 1), (2, (1, 6)), (3, (1, 1, 5))], ids=str)
def test_every_upsampler_gives_the_scaled_size(build, dims, scale, upsampler):
    network = build(scale=scale, spatial_dims=dims, upsampler=upsampler)
    assert network(*inputs(network, *ODD_SIZES[dims])).shape == (
        2,
        3,
        *finer(ODD_SIZES[dims], scale),
    )


@every
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 31)], ids=str)
def test_any_size_will_do(build, size):
    network = build(scale=3).eval()
    assert network(*inputs(network, *size, batch=1)).shape == (1, 3, *finer(size, 3))


@optional_skip
def test_output_channels_may_differ_without_skip(build):
    network = build(4, out_channels=1, scale=2)
    assert network(*inputs(network, 5, 6)).shape == (2, 1, 10, 12)


@every
@pytest.mark.parametrize("channels", [1, 3, 13])
@pytest.mark.parametrize(("dims", "scale"), CASES)
def test_gradients_reach_every_parameter_and_a_step_lowers_the_loss(build, dims, scale, channels):
    network = build(channels, scale=scale, spatial_dims=dims)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    given = inputs(network, *ODD_SIZES[dims])
    hr = torch.rand(
        2, channels, *finer(ODD_SIZES[dims], scale), generator=torch.Generator().manual_seed(3)
    )
    before = F.l1_loss(network(*given), hr)
    before.backward()
    assert names_without_gradient(network) == set()
    optimiser.step()
    assert F.l1_loss(network(*given), hr) < before


@optional_skip
@pytest.mark.parametrize(
    ("skip", "upsampler"), [("nearest", "shuffle"), ("linear", "transposed"), ("cubic", "nearest")]
)
def test_gradients_pass_a_skip_from_the_second_step_on(build, skip, upsampler):
    network = build(scale=2, skip=skip, upsampler=upsampler)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    given, hr = (
        inputs(network, 7, 5),
        torch.rand(2, 3, 14, 10, generator=torch.Generator().manual_seed(3)),
    )

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
@skips
@pytest.mark.parametrize(("dims", "scale"), [(2, 4), (3, (1, 4, 4))])
def test_bfloat16_autocast_stays_near_float32(build, dims, scale, options):
    network = build(scale=scale, spatial_dims=dims, **options).eval()
    given = inputs(network, *ODD_SIZES[dims])
    with torch.no_grad():
        expected = network(*given)
        with torch.autocast("cpu", torch.bfloat16):
            sr = network(*given)
    # bfloat16 has 8 bits of precision; a few layers lose a few of them
    torch.testing.assert_close(sr.float(), expected, atol=0.03, rtol=0.03)


def bicubic(image, height, width):
    image = Image.fromarray(image.numpy(), "F").resize((width, height), Image.BICUBIC)
    return torch.from_numpy(np.array(image))


@optional_skip
@pytest.mark.parametrize("scale", [2, 3, 4, (1, 4), (3, 1)], ids=str)
def test_untrained_cubic_skip_is_bicubic_interpolation(build, scale):
    height, width = finer((11, 13), scale)
    network = build(scale=scale, skip="cubic")
    given = inputs(network, 11, 13, batch=1)
    sr = network(*given).detach()[0]
    plain = build(scale=scale, skip="none")(*given).detach()[0]
    inside = (slice(2 * height // 11, -2 * height // 11), slice(2 * width // 13, -2 * width // 13))
    for channel in range(3):
        expected = bicubic(given[0][0, channel], height, width)[inside]
        torch.testing.assert_close(sr[channel][inside], expected, atol=1e-6, rtol=0)
        assert (plain[channel][inside] - expected).abs().mean() > 0.1


@optional_skip
@pytest.mark.parametrize("numbers", [[2, 3], (5, 1), [4, 4]], ids=str)
def test_untrained_network_with_guides_is_bicubic_of_the_named_channels(build, numbers):
    network = build(5, out_channels=2, scale=2, skip="cubic", skip_channels=numbers)
    given = inputs(network, 11, 13, batch=1)
    sr = network(*given).detach()[0]
    for channel, number in zip(sr, numbers, strict=True):
        expected = bicubic(given[0][0, number - 1], 22, 26)
        torch.testing.assert_close(channel[4:-4, 4:-4], expected[4:-4, 4:-4], atol=1e-6, rtol=0)


@optional_skip
@pytest.mark.parametrize(("skip", "mode"), [("nearest", "nearest"), ("linear", "bilinear")])
def test_untrained_skip_is_torchs_interpolation_up_to_the_border(build, skip, mode):
    network = build(scale=(2, 3), skip=skip)
    given = inputs(network, 7, 5)
    options = {} if skip == "nearest" else {"align_corners": False}
    expected = F.interpolate(given[0], scale_factor=(2.0, 3.0), mode=mode, **options)
    torch.testing.assert_close(network(*given), expected, atol=1e-6, rtol=0)


@every
def test_evaluation_is_deterministic_and_leaves_the_network_alone(build):
    network = build(scale=2).eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    given = inputs(network, 7, 5)
    assert torch.equal(network(*given), network(*given))
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


@every
def test_same_seed_builds_the_same_network(build):
    given = inputs(build(scale=2), 7, 5)
    assert torch.equal(build(scale=2)(*given), build(scale=2)(*given))


local = pytest.mark.parametrize(
    "build", [name for name in GENERATORS if name != "rcab"], indirect=True
)


@local
@skips
@pytest.mark.parametrize(
    ("dims", "scale", "axis"),
    [(2, (4, 3), 0), (2, (4, 3), 1), (3, (1, 2, 3), 2)],
)
def test_shift_by_a_pixel_moves_the_output_by_the_scale(build, dims, scale, axis, options):
    size = [3] * dims
    size[axis] = 46  # more than twice the larger receptive field's radius, of 20 LR pixels at most
    network = build(scale=scale, spatial_dims=dims, **options).double()
    randomised(network)
    lr, *noise = inputs(network, *size, batch=1, dtype=torch.float64)
    with torch.no_grad():
        whole = network(lr, *noise).movedim(2 + axis, 0)
        shifted = network(lr.narrow(2 + axis, 1, 45), *noise).movedim(2 + axis, 0)
    factor, margin = scale[axis], 21 * scale[axis]
    torch.testing.assert_close(shifted[margin:-margin], whole[factor:][margin:-margin])
    assert whole[factor:][margin:-margin].std() > 1e-4


@every
def test_attributes_say_what_goes_in_and_by_how_much_it_grows(build, request):
    out_channels = 1 if request.node.callspec.params["build"] in that_take("skip_channels") else 4
    network = build(4, out_channels=out_channels, scale=[1, 2, 2], spatial_dims=3)
    assert (network.in_channels, network.scale) == (4, (1, 2, 2))


@every
@pytest.mark.parametrize("skip", ["bicubic", None])
def test_unknown_skip_is_refused(build, skip, request):
    optional = (
        "none, " if request.node.callspec.params["build"] in that_take("skip_channels") else ""
    )
    message = f"skip is {skip!r}; it must be one of {optional}nearest, linear, cubic."
    with pytest.raises(ValueError, match=re.escape(message)):
        build(scale=2, skip=skip)


@pytest.mark.parametrize("build", that_take("upsampler"), indirect=True)
def test_unknown_upsampler_is_refused(build):
    message = "upsampler is 'bilinear'; it must be one of shuffle, nearest, transposed."
    with pytest.raises(ValueError, match=re.escape(message)):
        build(scale=2, upsampler="bilinear")


@optional_skip
@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({}, [1, 2, 3, 4]),
        ({"skip_channels": [1, 2]}, [1, 2]),
        ({"skip_channels": [0, 1, 2]}, [0, 1, 2]),
        ({"skip_channels": [1, 2, 5]}, [1, 2, 5]),
    ],
    ids=str,
)
def test_skip_needs_one_input_channel_for_each_output_channel(build, options, shown):
    message = (
        f"skip='cubic' adds input channels {shown} of 4 to 3 output channels; name one input channel for each output "
        "channel by skip_channels=, or use skip=none."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        build(4, out_channels=3, scale=2, skip="cubic", **options)


@pytest.mark.parametrize(
    "build", sorted(set(GENERATORS) - set(that_take("skip_channels"))), indirect=True
)
def test_fixed_skip_needs_as_many_channels_out_as_in(build):
    message = "adds its input to its output, but there are 4 input and 3 output channels; choose another generator."
    with pytest.raises(ValueError, match=re.escape(message)):
        build(4, out_channels=3, scale=2)


@every
@pytest.mark.parametrize("scale", [0, 2.5, (1, 4, 4)], ids=str)
def test_scale_must_be_one_integer_per_axis(build, scale):
    with pytest.raises(ValueError, match=re.escape(f"got {scale!r} for 2 spatial axes")):
        build(scale=scale)


@every
def test_spatial_dims_must_be_two_or_three(build):
    with pytest.raises(
        ValueError, match=re.escape("spatial_dims is 4; it must be 2 (images) or 3")
    ):
        build(scale=2, spatial_dims=4)


@pytest.mark.parametrize("build", that_take("upsampler"), indirect=True)
@pytest.mark.parametrize("upsampler", ["shuffle", "nearest", "transposed"])
@pytest.mark.parametrize("dims", [2, 3])
def test_axes_of_scale_one_cost_no_upsampling(build, dims, upsampler):
    def size(scale):
        network = build(scale=scale, spatial_dims=dims, upsampler=upsampler)
        return sum(prod(p.shape) for name, p in network.named_parameters() if "upsampler." in name)

    assert size(1) == 0
    assert 0 < size((1,) * (dims - 1) + (2,)) <= size(2)
