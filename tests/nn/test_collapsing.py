"""Collapsed last layers give the SR of the layers, and share and follow the weights."""

import pytest
import torch

from srlab.generators import RCAB, Residual, SRResNet, Stochastic
from srlab.generators.protocol import core
from srlab.nn.collapsing import Collapsed, collapsed


def shaken(network):
    """A network in evaluation mode whose weights are all random."""
    torch.manual_seed(0)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return network.eval()


def convolutions(network):
    return [module for module in network.modules() if isinstance(module, Collapsed)]


@pytest.mark.parametrize(
    ("kind", "scale", "others"),
    [
        (Residual, (4, 4), {"skip": "cubic"}),
        (Residual, (3, 2), {"upsampler": "nearest", "skip": "linear"}),
        (RCAB, (2, 2), {"upsampler": "transposed", "groups": 1}),
        (Stochastic, (2, 2), {"skip": "nearest"}),
        (Residual, (2, 2, 2), {}),
    ],
)
@torch.no_grad()
def test_the_core_is_that_of_the_layers(kind, scale, others):
    dims = len(scale)
    channels = {"in_channels": 2, "out_channels": 2, "channels": 16}
    network = kind(scale=scale, spatial_dims=dims, blocks=1, **channels, **others)
    network = shaken(network)
    fast = collapsed(network)
    lr = torch.randn(2, 2, *(15, 17, 16)[:dims])
    spare = ((5, 6),) * dims
    expected = core(network, lr, spare=spare)
    assert len(convolutions(fast)) == 1
    assert not convolutions(network)
    calls = []
    convolutions(fast)[0].register_forward_hook(lambda *_: calls.append(1))
    error = (core(fast, lr, spare=spare) - expected).abs().max()
    assert len(calls) == 1
    assert error < 1e-5 * expected.abs().max()


@torch.no_grad()
def test_where_the_border_is_near_the_layers_stay():
    network = shaken(Residual(in_channels=1, out_channels=1, scale=2, channels=4, blocks=1))
    lr = torch.randn(1, 1, 9, 9)
    spare = ((0, 4), (4, 4))
    assert torch.equal(core(collapsed(network), lr, spare=spare), core(network, lr, spare=spare))


@torch.no_grad()
def test_changed_weights_are_collapsed_anew():
    network = shaken(Residual(in_channels=1, out_channels=1, scale=2, channels=4, blocks=1))
    lr, spare = torch.randn(1, 1, 16, 16), ((6, 6), (6, 6))
    collapsed(network)
    network.network.tail.weight *= 3
    expected = core(network, lr, spare=spare)
    torch.testing.assert_close(core(collapsed(network), lr, spare=spare), expected)


def test_activations_and_costlier_kernels_are_left_alone():
    kept = SRResNet(in_channels=1, out_channels=1, scale=2, channels=4, blocks=1)
    assert collapsed(kept) is kept
    many = Residual(in_channels=200, out_channels=200, scale=2, channels=4, blocks=1)
    assert collapsed(many) is many
