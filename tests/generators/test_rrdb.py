from math import ceil

import pytest
import torch
from networks import close, conv_size, convolution, image, size_of
from torch.nn import functional as F

from srlab.generators import RRDB


def paper_parameters(
    *, channels, growth_channels, blocks, dims=2, in_channels=3, out_channels=3, upsamplings=2
):
    """Wang et al. 2018, fig. 4, layer by layer: every convolution has 3 taps an axis and a bias."""
    widths = [growth_channels] * 4 + [channels]
    dense = sum(
        conv_size(channels + i * growth_channels, width, dims=dims)
        for i, width in enumerate(widths)
    )
    plain = conv_size(channels, channels, dims=dims)
    first = conv_size(in_channels, channels, dims=dims)
    last = conv_size(channels, out_channels, dims=dims)
    return first + blocks * 3 * dense + (2 + upsamplings) * plain + last


def leaky(x):
    return torch.maximum(x, 0.2 * x)


def reference(x, state, *, blocks, factors, residual_scale):
    """The forward pass written out in convolutions on the weights of the state dict."""
    conv = convolution(state)

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


def network(**arguments):
    torch.manual_seed(0)
    given = {"in_channels": 3, "out_channels": 2, "channels": 6, "blocks": 2, "growth_channels": 4}
    built = RRDB(**given | arguments).double().eval()
    for parameter in built.parameters():
        parameter.data.normal_(std=0.2)
    return built


def test_size_is_the_papers():
    expected = paper_parameters(channels=64, growth_channels=32, blocks=23)
    assert expected == 16_697_987  # of the authors' RRDB_ESRGAN_x4.pth
    assert size_of(RRDB) == expected


def test_size_of_a_small_3d_network_follows_from_its_layers():
    channels = {"in_channels": 2, "out_channels": 1, "channels": 6, "growth_channels": 4}
    expected = paper_parameters(**channels, blocks=1, dims=3, upsamplings=2)
    assert size_of(RRDB, **channels, blocks=1, scale=(1, 4, 4), spatial_dims=3) == expected


@pytest.mark.parametrize(
    ("scale", "factors", "options", "residual_scale"),
    [(4, [2, 2], {}, 0.2), (3, [3], {"residual_scale": 0.5}, 0.5)],
)
@torch.no_grad()
def test_forward_matches_plain_convolutions(scale, factors, options, residual_scale):
    rrdb, x = network(scale=scale, **options), image(6, 5)
    counts = {"blocks": 2, "factors": factors, "residual_scale": residual_scale}
    close(rrdb(x), reference(x, rrdb.state_dict(), **counts))


@pytest.mark.parametrize(
    ("unshuffle", "scale", "factors", "size"),
    [
        (2, 2, [2, 2], (12, 24)),
        (4, 1, [2, 2], (7, 13)),
        (3, 1, [3], (1, 2)),
        (2, 3, [2, 3], (7, 4)),
    ],
    ids=str,
)
@torch.no_grad()
def test_unshuffled_network_is_the_plain_one_on_cells(unshuffle, scale, factors, size):
    rrdb, lr = network(scale=scale, unshuffle=unshuffle), image(*size)
    rows, columns = (
        torch.arange(ceil(length / unshuffle) * unshuffle).clamp(max=length - 1) for length in size
    )  # the last pixel stands in for those that are missing
    cells = F.pixel_unshuffle(lr[:, :, rows][:, :, :, columns], unshuffle)
    expected = reference(cells, rrdb.state_dict(), blocks=2, factors=factors, residual_scale=0.2)
    close(rrdb(lr), expected[:, :, : size[0] * scale, : size[1] * scale])


@torch.no_grad()
def test_anisotropic_cells_of_a_volume_are_those_of_its_slices():
    flat = network(scale=(2, 1), unshuffle=(2, 3))
    deep = network(scale=(1, 2, 1), unshuffle=(1, 2, 3), spatial_dims=3)
    for name, tensor in deep.state_dict().items():
        weight = flat.state_dict()[name]
        if tensor.ndim == 5:
            tensor.zero_()[:, :, 1] = weight
        else:
            tensor.copy_(weight)
    lr = image(4, 7, 8)
    slices = torch.stack([flat(each) for each in lr.unbind(2)], dim=2)
    assert slices.shape == (2, 2, 4, 14, 8)
    close(deep(lr), slices)


@torch.no_grad()
def test_cells_of_several_slices_have_the_first_axis_outermost():
    sizes = {"spatial_dims": 3, "blocks": 1}
    rrdb = network(in_channels=1, scale=(1, 1, 1), unshuffle=(2, 1, 3), **sizes)
    plain = network(in_channels=6, scale=(2, 1, 3), **sizes)
    plain.load_state_dict(rrdb.state_dict())
    lr = torch.randn(1, 1, 4, 5, 6, dtype=torch.float64)
    cells = [lr[:, :, i // 3 :: 2, :, i % 3 :: 3] for i in range(6)]
    close(rrdb(lr), plain(torch.cat(cells, dim=1)))


@pytest.mark.parametrize("size", [(7, 9), (1, 1)], ids=str)
@torch.no_grad()
def test_skip_adds_the_input_as_it_is(size):
    arguments = {"out_channels": 3, "scale": 2, "unshuffle": 4}
    lr = torch.randn(1, 3, *size, dtype=torch.float64)
    added = network(**arguments, skip="nearest")(lr) - network(**arguments)(lr)
    torch.testing.assert_close(added, F.interpolate(lr, scale_factor=2, mode="nearest"))


@torch.no_grad()
def test_unshuffle_of_one_changes_neither_names_nor_answer():
    plain, ones = network(scale=2), network(scale=2, unshuffle=[1, 1])
    in_cells = network(scale=1, unshuffle=2)
    assert ones.state_dict().keys() == plain.state_dict().keys() == in_cells.state_dict().keys()
    lr = image(5, 4)
    assert torch.equal(ones(lr), plain(lr))


def test_unshuffle_must_be_one_integer_per_axis():
    for wrong in (0, 1.5, [2, 2, 2]):
        with pytest.raises(ValueError, match="for 2 spatial axes"):
            network(scale=2, unshuffle=wrong)
    assert network(scale=2, unshuffle=[3, 1]).multiple_of == (3, 1)


def test_gradients_reach_every_parameter_of_an_unshuffled_network():
    rrdb = network(scale=2, unshuffle=(2, 3), checkpointing=True)
    rrdb(image(5, 7)).square().mean().backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in rrdb.parameters())


@pytest.mark.slow
@torch.no_grad()
def test_unshuffled_network_compiles():
    rrdb = network(scale=2, unshuffle=(1, 3), blocks=1)
    torch.compiler.reset()
    compiled = torch.compile(rrdb, backend="eager")
    for lr in (image(7, 5), image(6, 6)):
        close(compiled(lr), rrdb(lr))


@pytest.mark.slow
@pytest.mark.parametrize(("scale", "unshuffle"), [(2, (1, 3)), (1, (1, 2, 3))], ids=str)
@torch.no_grad()
def test_unshuffled_network_exports_at_a_fixed_size_or_multiples(scale, unshuffle):
    dims = len(unshuffle)
    rrdb = network(scale=scale, unshuffle=unshuffle, spatial_dims=dims, blocks=1)
    odd, whole, other = (image(*size[-dims:]) for size in [(3, 7, 5), (4, 6, 12), (5, 8, 6)])
    close(torch.export.export(rrdb, (odd,)).module()(odd), rrdb(odd))
    sizes = {
        2 + axis: cell * torch.export.Dim(f"cells_{axis}", min=2, max=32)
        for axis, cell in enumerate(rrdb.multiple_of)
    }
    free = torch.export.export(rrdb, (whole,), dynamic_shapes=(sizes,)).module()
    for lr in (whole, other):
        close(free(lr), rrdb(lr))
