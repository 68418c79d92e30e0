"""The SR of the core of a tile, with no more arithmetic than it needs."""

import networks
import pytest
import torch
from networks import GENERATORS, randomised
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from srlab.generators import core, receptive_field
from srlab.nn.resample import enlarge

SPARE = ((9, 5), (0, 7))


def cropped(sr, spare, scale):
    for axis, ((before, after), factor) in enumerate(zip(spare, scale, strict=True), start=2):
        sr = sr[(slice(None),) * axis + (slice(before * factor, sr.shape[axis] - after * factor),)]
    return sr


@pytest.mark.parametrize("name", GENERATORS)
def test_a_core_is_what_the_whole_has_there(name):
    network = randomised(networks.build(name, blocks=2, scale=(4, 4)))
    inputs = networks.inputs(network, 33, 30, dtype=torch.float64)
    with torch.no_grad():
        wanted = cropped(network(*inputs), SPARE, network.scale)
        found = core(network, *inputs, spare=SPARE)
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("unshuffle", [1, 2])
def test_a_core_of_other_scales_and_cells(unshuffle):
    settings = {"skip": "cubic", "unshuffle": unshuffle, "scale": (1, 2, 3), "spatial_dims": 3}
    network = randomised(networks.build("rrdb", **settings))
    (lr,) = networks.inputs(network, 24, 22, 26, dtype=torch.float64)
    spare = ((8, 4), (6, 6), (2, 10))
    with torch.no_grad():
        wanted = cropped(network(lr), spare, network.scale)
        torch.testing.assert_close(core(network, lr, spare=spare), wanted, rtol=1e-9, atol=1e-9)


def test_a_layer_that_sees_beyond_what_was_measured_would_show():
    """The check above can fail: without the overlap the values of the core differ."""
    network = randomised(networks.build("residual", blocks=2, scale=(4, 4)))
    (lr,) = networks.inputs(network, 33, 30, dtype=torch.float64)
    with torch.no_grad():
        whole = core(network, lr, spare=((8, 8), (8, 8)))
        alone = core(network, lr[..., 1:-1, 1:-1], spare=((7, 7), (7, 7)))
    assert receptive_field(network) == (8, 8)
    assert not torch.allclose(whole, alone, rtol=1e-9, atol=1e-9)


def test_the_layers_compute_less_the_deeper_they_lie():
    network = networks.build("residual", channels=1, blocks=4, scale=(4, 4)).eval()
    radius = 12
    assert receptive_field(network) == (radius, radius)
    (lr,) = networks.inputs(network, 16 + 2 * radius, 16 + 2 * radius, batch=1)

    def arithmetic(run):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            run()
        return counter.get_total_flops()

    # Input and output channels, and pixels along a side, of each convolution: the head, four
    # blocks, the last one of the trunk, then the two of the upsampler and the tail.
    layers = [(1, 4, 40), *[(4, 4, 40), (4, 4, 34), (4, 4, 30), (4, 4, 26)] * 2, (4, 4, 22)]
    layers += [(4, 16, 20), (4, 16, 40), (4, 1, 80)]
    expected = sum(2 * 9 * taken * made * side**2 for taken, made, side in layers)
    spare = ((radius, radius), (radius, radius))
    core(network, lr, spare=spare)  # the reach of the layers is measured once
    assert arithmetic(lambda: core(network, lr, spare=spare)) == expected
    assert expected < 0.5 * arithmetic(lambda: network(lr))


class WithoutCore(nn.Module):
    in_channels, scale = 2, (2, 3)

    def forward(self, lr):
        return enlarge(lr, self.scale, "linear")


def test_a_network_of_others_need_not_know_of_cores():
    lr = torch.rand(1, 2, 9, 8)
    wanted = enlarge(lr, (2, 3), "linear")[..., 4:-2, 3:]
    torch.testing.assert_close(core(WithoutCore(), lr, spare=((2, 1), (1, 0))), wanted)
