"""Properties that every generator has."""

import re
from math import prod

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from srlab.generators import RRDB, SRResNet

SCALES = {2: [1, 2, 3, 4, (1, 4), (3, 1)], 3: [1, 2, 3, 4, (1, 4, 4), (3, 1, 1)]}
CASES = [pytest.param(dims, scale, id=f"{dims}D-x{scale}") for dims in SCALES for scale in SCALES[dims]]
ODD_SIZES = {2: (7, 5), 3: (3, 5, 4)}

both = pytest.mark.parametrize("build", ["rrdb", "srresnet"], indirect=True)


@pytest.fixture
def build(request):
    """Build a tiny network; the arguments in common are the caller's."""
    tiny = {
        "rrdb": (RRDB, {"channels": 4, "blocks": 1, "growth_channels": 2}),
        "srresnet": (SRResNet, {"channels": 4, "blocks": 1}),
    }
    generator, size = tiny[request.param]

    def make(channels=3, *, out_channels=None, **arguments):
        torch.manual_seed(0)
        out_channels = channels if out_channels is None else out_channels
        return generator(in_channels=channels, out_channels=out_channels, **size, **arguments)

    return make


def finer(size, scale):
    factors = (scale,) * len(size) if isinstance(scale, int) else scale
    return tuple(length * factor for length, factor in zip(size, factors, strict=True))


def randomise_statistics(network):
    generator = torch.Generator().manual_seed(1)
    for name, tensor in network.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            tensor.copy_(0.5 + torch.rand(tensor.shape, generator=generator))
    return network.eval()


@both
@pytest.mark.parametrize("channels", [1, 3, 13])
@pytest.mark.parametrize("skip", ["none", "cubic"])
@pytest.mark.parametrize(("dims", "scale"), CASES)
def test_output_has_exactly_the_scaled_size(build, dims, scale, skip, channels):
    network = build(channels, scale=scale, spatial_dims=dims, skip=skip)
    lr = torch.rand(2, channels, *ODD_SIZES[dims])
    assert network(lr).shape == (2, channels, *finer(ODD_SIZES[dims], scale))


@both
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 31)], ids=str)
def test_any_size_will_do(build, size):
    assert build(scale=3).eval()(torch.rand(1, 3, *size)).shape == (1, 3, *finer(size, 3))


@both
def test_output_channels_may_differ_without_skip(build):
    assert build(4, out_channels=1, scale=2)(torch.rand(2, 4, 5, 6)).shape == (2, 1, 10, 12)


@both
@pytest.mark.parametrize(("dims", "scale"), CASES)
def test_gradients_reach_every_parameter(build, dims, scale):
    network = build(scale=scale, spatial_dims=dims)
    lr = torch.rand(2, 3, *ODD_SIZES[dims])
    F.l1_loss(network(lr), torch.rand(2, 3, *finer(ODD_SIZES[dims], scale))).backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


@both
def test_gradients_pass_a_cubic_skip_from_the_second_step_on(build):
    network = build(scale=2, skip="cubic")
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    lr, hr = torch.rand(2, 3, 7, 5), torch.rand(2, 3, 14, 10)

    def names_with_gradient():
        optimiser.zero_grad()
        F.l1_loss(network(lr), hr).backward()
        return {name for name, parameter in network.named_parameters() if parameter.grad.any()}

    assert names_with_gradient() == {"tail.weight", "tail.bias"}
    optimiser.step()
    assert names_with_gradient() == {name for name, _ in network.named_parameters()}


@both
@pytest.mark.parametrize("skip", ["none", "cubic"])
@pytest.mark.parametrize(("dims", "scale"), [(2, 4), (3, (1, 4, 4))])
def test_bfloat16_autocast_stays_near_float32(build, dims, scale, skip):
    network = build(scale=scale, spatial_dims=dims, skip=skip).eval()
    lr = torch.rand(2, 3, *ODD_SIZES[dims])
    with torch.no_grad():
        expected = network(lr)
        with torch.autocast("cpu", torch.bfloat16):
            sr = network(lr)
    assert sr.isfinite().all()
    # bfloat16 has 8 bits of precision; a few layers lose a few of them
    torch.testing.assert_close(sr.float(), expected, atol=0.03, rtol=0.03)


@both
@pytest.mark.parametrize("skip", ["none", "cubic"])
@pytest.mark.parametrize(("dims", "scale"), [(2, 2), (3, (3, 1, 1))])
def test_one_step_lowers_the_loss(build, dims, scale, skip):
    network = build(scale=scale, spatial_dims=dims, skip=skip)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    lr, hr = torch.rand(2, 3, *ODD_SIZES[dims]), torch.rand(2, 3, *finer(ODD_SIZES[dims], scale))
    before = F.l1_loss(network(lr), hr)
    before.backward()
    optimiser.step()
    assert F.l1_loss(network(lr), hr) < before


@both
@pytest.mark.parametrize("scale", [2, 3, 4, (1, 4), (3, 1)], ids=str)
def test_untrained_cubic_skip_is_bicubic_interpolation(build, scale):
    height, width = finer((11, 13), scale)
    lr = torch.rand(1, 3, 11, 13)
    sr = build(scale=scale, skip="cubic")(lr).detach()[0]
    plain = build(scale=scale, skip="none")(lr).detach()[0]
    inside = (slice(2 * height // 11, -2 * height // 11), slice(2 * width // 13, -2 * width // 13))
    for channel in range(3):
        image = Image.fromarray(lr[0, channel].numpy(), "F").resize((width, height), Image.BICUBIC)
        expected = torch.from_numpy(np.array(image))[inside]
        torch.testing.assert_close(sr[channel][inside], expected, atol=1e-6, rtol=0)
        assert (plain[channel][inside] - expected).abs().mean() > 0.1


@both
def test_evaluation_is_deterministic_and_leaves_the_network_alone(build):
    network = build(scale=2).eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    lr = torch.rand(2, 3, 7, 5)
    assert torch.equal(network(lr), network(lr))
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


@both
def test_same_seed_builds_the_same_network(build):
    lr = torch.rand(2, 3, 7, 5)
    assert torch.equal(build(scale=2)(lr), build(scale=2)(lr))


@both
@pytest.mark.parametrize("skip", ["none", "cubic"])
@pytest.mark.parametrize(
    ("dims", "scale", "axis"),
    [(2, (4, 3), 0), (2, (4, 3), 1), (3, (1, 2, 3), 0), (3, (1, 2, 3), 1), (3, (1, 2, 3), 2)],
)
def test_shift_by_a_pixel_moves_the_output_by_the_scale(build, dims, scale, axis, skip):
    size = [5] * dims
    size[axis] = 46  # more than twice the larger receptive field's radius, of 20 LR pixels at most
    network = randomise_statistics(build(scale=scale, spatial_dims=dims, skip=skip).double())
    lr = torch.rand(1, 3, *size, dtype=torch.float64)
    with torch.no_grad():
        whole = network(lr).movedim(2 + axis, 0)
        shifted = network(lr.narrow(2 + axis, 1, 45)).movedim(2 + axis, 0)
    factor, margin = scale[axis], 21 * scale[axis]
    torch.testing.assert_close(shifted[margin:-margin], whole[factor:][margin:-margin])
    assert whole[factor:][margin:-margin].std() > 1e-4


@pytest.mark.parametrize(
    ("build", "reach"),
    # HR pixels at ×4. RRDB: 1 + 15 + 1 LR pixels, then 2 and 1 + 1 + 1; SRResNet: 4 + 2 + 1 + 1, then 2 and 4
    [("rrdb", 4 * 17 + 2 + 3), ("srresnet", 4 * 8 + 2 + 4)],
    indirect=["build"],
)
def test_receptive_field_is_the_documented_one(build, reach):
    network = build(scale=4).double().eval()
    lr = torch.rand(1, 3, 3, 61, dtype=torch.float64)
    lr[..., 30] = torch.nan
    touched = network(lr)[0, 0, 0].isnan().nonzero().flatten()
    assert touched.tolist() == list(range(4 * 30 - reach, 4 * 30 + 4 + reach))


@both
def test_attributes_say_what_goes_in_and_by_how_much_it_grows(build):
    network = build(4, out_channels=1, scale=[1, 2, 2], spatial_dims=3)
    assert (network.in_channels, network.scale) == (4, (1, 2, 2))


@both
def test_unknown_skip_is_refused(build):
    with pytest.raises(ValueError, match=re.escape("skip is 'linear'; it must be 'none' or 'cubic'.")):
        build(scale=2, skip="linear")


@both
def test_cubic_skip_needs_as_many_channels_out_as_in(build):
    with pytest.raises(ValueError, match=re.escape("there are 4 input and 3 output channels; use skip='none'.")):
        build(4, out_channels=3, scale=2, skip="cubic")


@both
@pytest.mark.parametrize("scale", [0, 2.5, (1, 4, 4)], ids=str)
def test_scale_must_be_one_integer_per_axis(build, scale):
    with pytest.raises(ValueError, match=re.escape(f"got {scale!r} for 2 spatial axes")):
        build(scale=scale)


@both
def test_spatial_dims_must_be_two_or_three(build):
    with pytest.raises(ValueError, match=re.escape("spatial_dims is 4; it must be 2 (images) or 3")):
        build(scale=2, spatial_dims=4)


@both
@pytest.mark.parametrize("dims", [2, 3])
def test_axes_of_scale_one_cost_no_upsampling(build, dims):
    def size(scale):
        network = build(scale=scale, spatial_dims=dims)
        return sum(prod(parameter.shape) for parameter in network.upsampler.parameters())

    assert size(1) == 0
    assert size((1,) * (dims - 1) + (2,)) <= size(2)
