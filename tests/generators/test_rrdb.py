from math import ceil

import pytest
import torch
from torch.nn import functional as F

from srlab.generators import RRDB


def paper_parameters(*, dims, in_channels, out_channels, channels, growth, blocks, upsamplings):
    """Wang et al. 2018, fig. 4, layer by layer: every convolution has 3 taps an axis and a bias."""

    def conv(inputs, outputs):
        return inputs * outputs * 3**dims + outputs

    dense = sum(conv(channels + i * growth, growth) for i in range(4)) + conv(
        channels + 4 * growth, channels
    )
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
    expected = paper_parameters(
        dims=2, in_channels=3, out_channels=3, channels=64, growth=32, blocks=23, upsamplings=2
    )
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
        dims=3,
        in_channels=2,
        out_channels=1,
        channels=6,
        growth=4,
        blocks=2,
        upsamplings=upsamplings,
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
    expected = reference(
        x, network.state_dict(), blocks=2, factors=factors, residual_scale=residual_scale
    )
    torch.testing.assert_close(network(x), expected)


def test_default_residual_scale_is_the_papers():
    torch.manual_seed(0)
    network = RRDB(
        in_channels=1, out_channels=1, scale=2, channels=4, blocks=1, growth_channels=2
    ).double()
    for parameter in network.parameters():
        parameter.data.normal_(std=0.3)
    x = torch.randn(1, 1, 4, 4, dtype=torch.float64)
    expected = reference(x, network.state_dict(), blocks=1, factors=[2], residual_scale=0.2)
    torch.testing.assert_close(network(x), expected)


def unshuffled(**arguments):
    torch.manual_seed(0)
    given = {"in_channels": 3, "out_channels": 2, "channels": 6, "blocks": 2, "growth_channels": 4}
    network = RRDB(**given | arguments).double().eval()
    for parameter in network.parameters():
        parameter.data.normal_(std=0.2)
    return network


@pytest.mark.parametrize(
    ("unshuffle", "scale", "factors"), [(2, 2, [2, 2]), (4, 1, [2, 2]), (3, 1, [3]), (2, 3, [2, 3])]
)
@pytest.mark.parametrize("size", [(12, 24), (7, 13), (1, 2)], ids=str)
@torch.no_grad()
def test_unshuffled_network_is_the_plain_one_on_cells(unshuffle, scale, factors, size):
    network = unshuffled(scale=scale, unshuffle=unshuffle)
    lr = torch.randn(2, 3, *size, dtype=torch.float64)
    rows, columns = (
        torch.arange(ceil(length / unshuffle) * unshuffle).clamp(max=length - 1) for length in size
    )  # the last pixel stands in for those that are missing
    cells = F.pixel_unshuffle(lr[:, :, rows][:, :, :, columns], unshuffle)
    expected = reference(cells, network.state_dict(), blocks=2, factors=factors, residual_scale=0.2)
    torch.testing.assert_close(network(lr), expected[:, :, : size[0] * scale, : size[1] * scale])


@torch.no_grad()
def test_anisotropic_cells_of_a_volume_are_those_of_its_slices():
    flat = unshuffled(scale=(2, 1), unshuffle=(2, 3))
    deep = unshuffled(scale=(1, 2, 1), unshuffle=(1, 2, 3), spatial_dims=3)
    for name, tensor in deep.state_dict().items():
        weight = flat.state_dict()[name]
        if tensor.ndim == 5:
            tensor.zero_()[:, :, 1] = weight
        else:
            tensor.copy_(weight)
    lr = torch.randn(2, 3, 4, 7, 8, dtype=torch.float64)
    slices = torch.stack([flat(each) for each in lr.unbind(2)], dim=2)
    assert slices.shape == (2, 2, 4, 14, 8)
    torch.testing.assert_close(deep(lr), slices)


@torch.no_grad()
def test_cells_of_several_slices_have_the_first_axis_outermost():
    network = unshuffled(
        in_channels=1, scale=(1, 1, 1), unshuffle=(2, 1, 3), spatial_dims=3, blocks=1
    )
    plain = unshuffled(in_channels=6, scale=(2, 1, 3), spatial_dims=3, blocks=1)
    plain.load_state_dict(network.state_dict())
    lr = torch.randn(1, 1, 4, 5, 6, dtype=torch.float64)
    cells = torch.cat(
        [lr[:, :, deep::2, :, right::3] for deep in range(2) for right in range(3)], dim=1
    )
    torch.testing.assert_close(network(lr), plain(cells))


@pytest.mark.parametrize("size", [(7, 9), (1, 1)], ids=str)
@torch.no_grad()
def test_skip_adds_the_input_as_it_is(size):
    network = unshuffled(out_channels=3, scale=2, unshuffle=4, skip="nearest")
    lr = torch.randn(1, 3, *size, dtype=torch.float64)
    added = network(lr) - unshuffled(out_channels=3, scale=2, unshuffle=4)(lr)
    torch.testing.assert_close(added, F.interpolate(lr, scale_factor=2, mode="nearest"))


def test_unshuffle_of_one_changes_neither_names_nor_answer():
    plain, network = unshuffled(scale=2), unshuffled(scale=2, unshuffle=[1, 1])
    assert (
        network.state_dict().keys()
        == plain.state_dict().keys()
        == unshuffled(scale=1, unshuffle=2).state_dict().keys()
    )
    lr = torch.randn(1, 3, 5, 4, dtype=torch.float64)
    assert torch.equal(network(lr), plain(lr))


def test_unshuffle_must_be_one_integer_per_axis():
    for wrong in (0, 1.5, [2, 2, 2]):
        with pytest.raises(ValueError, match="for 2 spatial axes"):
            unshuffled(scale=2, unshuffle=wrong)
    assert unshuffled(scale=2, unshuffle=[3, 1]).multiple_of == (3, 1)
    assert unshuffled(scale=2).multiple_of == (1, 1)


def test_gradients_reach_every_parameter_of_an_unshuffled_network():
    network = unshuffled(scale=2, unshuffle=(2, 3), checkpointing=True)
    network(torch.randn(1, 3, 5, 7, dtype=torch.float64)).square().mean().backward()
    assert all(
        parameter.grad is not None and parameter.grad.any() for parameter in network.parameters()
    )


@pytest.mark.slow
@pytest.mark.parametrize(("dims", "unshuffle"), [(2, 2), (2, (1, 3)), (3, (1, 2, 3))], ids=str)
@torch.no_grad()
def test_unshuffled_network_compiles_and_exports(dims, unshuffle):
    network = unshuffled(scale=2, unshuffle=unshuffle, spatial_dims=dims, blocks=1)

    def lr(*size):
        return torch.randn(2, 3, *size[-dims:], dtype=torch.float64)

    torch.compiler.reset()
    compiled = torch.compile(network, backend="aot_eager")
    for size in [(3, 7, 5), (2, 6, 6), (3, 11, 4)]:
        given = lr(*size)
        torch.testing.assert_close(compiled(given), network(given))
        torch.testing.assert_close(
            torch.export.export(network, (given,)).module()(given), network(given)
        )
    cells = {2 + axis: torch.export.Dim(f"cells_{axis}", min=2, max=32) for axis in range(dims)}
    sizes = {
        axis: free * cell
        for (axis, free), cell in zip(cells.items(), network.multiple_of, strict=True)
    }
    exported = torch.export.export(network, (lr(4, 6, 12),), dynamic_shapes=(sizes,)).module()
    for size in [(4, 6, 12), (5, 8, 6)]:
        given = lr(*size)
        torch.testing.assert_close(exported(given), network(given))
