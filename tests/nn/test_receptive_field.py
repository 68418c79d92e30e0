from fractions import Fraction
from itertools import zip_longest
from math import ceil, prod

import pytest
import torch
from torch import nn

from srlab.generators import RRDB, SRResNet
from srlab.nn.receptive_field import receptive_field
from srlab.nn.resample import enlarge

FACTORS = {1: [], 2: [2], 3: [3], 4: [2, 2], 6: [2, 3]}


class Local(nn.Module):
    """A convolution of a given kernel, without upsampling."""

    def __init__(self, *kernel):
        super().__init__()
        self.in_channels, self.scale = 1, (1,) * len(kernel)
        convolution = {2: nn.Conv2d, 3: nn.Conv3d}[len(kernel)]
        self.layer = convolution(1, 1, kernel, padding=[size // 2 for size in kernel])

    def forward(self, lr):
        return self.layer(lr)


class Cubic(nn.Module):
    in_channels, scale = 2, (2, 3)

    def forward(self, lr):
        return enlarge(lr, self.scale)


class Pooled(Local):
    """Sees everything along the last axis, through an average over it."""

    def forward(self, lr):
        return self.layer(lr) + lr.mean(dim=-1, keepdim=True)


@pytest.mark.parametrize("kernel", [(1, 1), (3, 9), (1, 3, 7), (141, 1)], ids=str)
def test_radius_of_a_convolution_is_half_its_kernel(kernel):
    assert receptive_field(Local(*kernel)) == tuple(size // 2 for size in kernel)


def test_radius_of_cubic_interpolation_is_two():
    assert receptive_field(Cubic()) == (2, 2)


@pytest.mark.parametrize("skip", ["none", "cubic"])
@pytest.mark.parametrize("blocks", [1, 2, 6])
def test_radius_of_the_generators_is_the_documented_one(blocks, skip):
    arguments = {
        "in_channels": 1,
        "out_channels": 1,
        "scale": 4,
        "channels": 2,
        "blocks": blocks,
        "skip": skip,
    }
    assert receptive_field(RRDB(growth_channels=1, **arguments)) == (ceil(15 * blocks + 3.25),) * 2
    assert receptive_field(SRResNet(**arguments)) == (ceil(2 * blocks + 7.5),) * 2


@pytest.mark.parametrize(
    ("unshuffle", "scale"),
    [(2, 2), (4, 1), ((1, 3), 1), ((3, 2), (2, 1)), ((2, 1, 3), (1, 2, 2))],
    ids=str,
)
@pytest.mark.parametrize("blocks", [1, 2])
def test_radius_over_cells_is_that_of_the_cells_and_the_way_through_one(unshuffle, scale, blocks):
    dims = len(unshuffle) if isinstance(unshuffle, tuple) else 2
    network = RRDB(
        in_channels=1, out_channels=1, scale=scale, spatial_dims=dims, channels=2, blocks=blocks, growth_channels=1,
        unshuffle=unshuffle,
    )  # fmt: skip
    enlargement = [
        cell * factor for cell, factor in zip(network.multiple_of, network.scale, strict=True)
    ]
    stages = list(zip_longest(*(FACTORS[total] for total in enlargement), fillvalue=1))
    expected = []
    for axis, cell in enumerate(network.multiple_of):
        finer = [
            prod(stage[axis] for stage in stages[: number + 1]) for number in range(len(stages))
        ]
        reach = (
            15 * blocks
            + 2
            + sum(Fraction(1, each) for each in finer)
            + Fraction(2, enlargement[axis])
        )
        expected.append(ceil(cell * reach) + cell - 1)
    assert receptive_field(network) == tuple(expected)


def test_radius_of_published_unshuffled_networks():
    arguments = {"in_channels": 1, "out_channels": 1, "channels": 2, "growth_channels": 1}
    # 15 cells a block and 3.25 more, and the way through one cell
    assert (
        receptive_field(RRDB(scale=2, unshuffle=2, blocks=4, **arguments))
        == (ceil(2 * 63.25) + 1,) * 2
    )
    assert (
        receptive_field(RRDB(scale=1, unshuffle=4, blocks=1, **arguments)) == (4 * 18.25 + 3,) * 2
    )
    assert (
        receptive_field(RRDB(scale=2, unshuffle=2, blocks=23, **arguments))
        == (ceil(2 * 348.25) + 1,) * 2
    )


class Cells(Cubic):
    """The pixel at one place in each cell of three reaches five pixels on, the others stay where they are."""

    multiple_of, scale, in_channels = (3, 1), (1, 1), 1

    def __init__(self, place):
        super().__init__()
        self.place = place

    def forward(self, lr):
        sr = lr.clone()
        there = sr[:, :, self.place + 5 :: 3]
        there += lr[:, :, self.place :: 3][:, :, : there.shape[2]]
        return sr


@pytest.mark.parametrize("place", [0, 1, 2])
def test_radius_is_that_of_the_position_that_reaches_furthest(place):
    assert receptive_field(Cells(place)) == (5, 0)


def test_radius_of_a_global_layer_is_none_along_its_axis():
    assert receptive_field(Pooled(5, 5)) == (2, None)


def test_overlap_of_the_radius_restores_the_whole_and_less_does_not():
    torch.manual_seed(0)
    network = SRResNet(in_channels=1, out_channels=1, scale=2, channels=2, blocks=1).double().eval()
    radius = receptive_field(network)[0]
    lr = torch.rand(1, 1, 64, 3, dtype=torch.float64)
    core = slice(30, 34)
    with torch.no_grad():
        whole = network(lr)[:, :, 2 * core.start : 2 * core.stop]
        for overlap, equal in ((radius, True), (radius - 1, False)):
            tile = network(lr[:, :, core.start - overlap : core.stop + overlap])
            assert (
                torch.allclose(tile[:, :, 2 * overlap : -2 * overlap], whole, rtol=0, atol=1e-14)
                == equal
            )


def test_probing_leaves_the_network_alone():
    network = SRResNet(in_channels=1, out_channels=1, scale=2, channels=2, blocks=1).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    receptive_field(network)
    assert network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
