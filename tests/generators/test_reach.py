"""The radius of the receptive field, by the closed form of each stack of convolutions."""

from fractions import Fraction
from itertools import zip_longest
from math import ceil

import networks
import pytest
import torch
from networks import GENERATORS
from torch import nn

from srlab.generators import margin, receptive_field
from srlab.nn.resample import enlarge

# at LR resolution, by the number of blocks: the sum of half the kernels before the upsampler
TRUNKS = {
    "compact": lambda blocks: blocks + 2,
    # 2 + 3·3 for the depthwise pair, 1 in the feed-forward part
    "lka": lambda blocks: 1 + 12 * blocks + 1,
    "msrresnet": lambda blocks: 1 + 2 * blocks,
    "residual": lambda blocks: 1 + 2 * blocks + 1,
    "rrdb": lambda blocks: 1 + 15 * blocks + 1,
    "srresnet": lambda blocks: 4 + 2 * blocks + 1,
    "stochastic": lambda blocks: 1 + 2 * blocks + 1,
}
# at HR resolution: half the kernels after the upsampler
TAILS = {
    "compact": 0,
    "lka": 1,
    "msrresnet": 2,
    "residual": 1,
    "rrdb": 2,
    "srresnet": 4,
    "stochastic": 1,
}
DEFAULT_UPSAMPLERS = {"compact": None, "rrdb": "nearest"}
FACTORS = {1: [], 2: [2], 3: [3], 4: [2, 2], 6: [2, 3]}
SKIPS = ("nearest", "linear", "cubic")


def radius(name, scale, *, blocks=1, upsampler=None):
    """Along each axis in LR pixels, not rounded.

    A layer counts half its kernel over the resolution it works at.
    """
    upsampler = upsampler or DEFAULT_UPSAMPLERS.get(name, "shuffle")
    stages = list(zip_longest(*(FACTORS[factor] for factor in scale), fillvalue=1))
    radii = []
    for axis, factor in enumerate(scale):
        reach, finer = Fraction(TRUNKS[name](blocks)), 1
        for stage in stages if upsampler else []:
            before, finer = finer, finer * stage[axis]
            reach += {
                "shuffle": Fraction(1, before),
                "nearest": Fraction(1, finer),
                # a kernel of 2·f, or 2·f - 1 for odd f, over steps of f
                "transposed": Fraction(stage[axis] // 2, finer),
            }[upsampler]
        radii.append(reach + Fraction(TAILS[name], factor))
    return radii


def rounded(*arguments, **options):
    return tuple(ceil(reach) for reach in radius(*arguments, **options))


def measured(name, scale, **options):
    return receptive_field(networks.build(name, 1, scale=scale, spatial_dims=len(scale), **options))


SCALES = {"shuffle": (4, 3), "nearest": (2, 3, 4), "transposed": (3, 4)}


@pytest.mark.parametrize("upsampler", SCALES)
def test_radius_counts_what_the_upsampler_sees(upsampler):
    scale = SCALES[upsampler]
    found = measured("residual", scale, upsampler=upsampler, skip="cubic")  # a tail of zeros
    assert found == rounded("residual", scale, upsampler=upsampler)


@pytest.mark.parametrize("name", TRUNKS)
def test_radius_is_that_of_the_stack_of_convolutions(name):
    assert measured(name, (2, 4), blocks=3) == rounded(name, (2, 4), blocks=3)


def test_radius_does_not_depend_on_the_skip():
    found = {measured("residual", (4, 3), skip=skip) for skip in ("none", *SKIPS)}
    assert found == {rounded("residual", (4, 3))}


def test_radius_of_the_published_rrdb():
    assert measured("rrdb", (4, 4), blocks=23) == (349, 349)


@pytest.mark.parametrize("name", TRUNKS)
def test_reach_in_hr_pixels_is_exact_at_both_ends(name):
    reach = 4 * radius(name, (4, 4))[0]
    network = networks.build(name, scale=4).double().eval()
    lr = torch.rand(1, 3, 3, 61, dtype=torch.float64)
    lr[..., 30] = torch.nan
    touched = network(lr)[0, 0, 0].isnan().nonzero().flatten()
    assert touched.tolist() == list(range(4 * 30 - int(reach), 4 * 30 + 4 + int(reach)))


def test_global_attention_has_no_radius_along_any_axis():
    assert measured("rcab", (1, 2, 2), skip="cubic") == (None, None, None)


def test_closed_forms_cover_every_generator():
    assert set(TRUNKS) | {"rcab"} == set(TAILS) | {"rcab"} == set(GENERATORS)


@pytest.mark.parametrize(
    ("unshuffle", "scale", "blocks"),
    [((2, 2), (2, 2), 4), ((2, 1, 3), (1, 2, 2), 1)],
    ids=str,
)
def test_radius_over_cells_is_that_of_the_cells_and_the_way_through_one(unshuffle, scale, blocks):
    network = networks.build(
        "rrdb", 1, scale=scale, spatial_dims=len(scale), unshuffle=unshuffle, blocks=blocks
    )
    enlargement = [cell * factor for cell, factor in zip(unshuffle, scale, strict=True)]
    in_cells = radius("rrdb", enlargement, blocks=blocks)
    assert receptive_field(network) == tuple(
        ceil(cell * reach) + cell - 1 for cell, reach in zip(unshuffle, in_cells, strict=True)
    )


class Local(nn.Module):
    """A third party's: a convolution of a given kernel, without upsampling or optional members."""

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


class Cells(nn.Module):
    """One pixel in each cell of three reaches five pixels on, the others stay where they are."""

    multiple_of, scale, in_channels = (3, 1), (1, 1), 1

    def __init__(self, place):
        super().__init__()
        self.place = place

    def forward(self, lr):
        sr = lr.clone()
        there = sr[:, :, self.place + 5 :: 3]
        there += lr[:, :, self.place :: 3][:, :, : there.shape[2]]
        return sr


def test_radius_of_a_convolution_is_half_its_kernel():
    for kernel in ((1, 1), (1, 3, 7), (141, 1)):
        assert receptive_field(Local(*kernel)) == tuple(size // 2 for size in kernel)


def test_radius_of_cubic_interpolation_is_two():
    assert receptive_field(Cubic()) == (2, 2)


def test_radius_of_a_global_layer_is_none_along_its_axis():
    assert receptive_field(Pooled(5, 5)) == (2, None)


def test_radius_is_that_of_the_position_that_reaches_furthest():
    assert [receptive_field(Cells(place)) for place in (0, 1, 2)] == [(5, 0)] * 3


def test_overlap_of_the_radius_restores_the_whole_and_less_does_not():
    network = networks.build("srresnet", 1, scale=2).double().eval()
    radius = receptive_field(network)[0]
    lr = torch.rand(1, 1, 64, 3, dtype=torch.float64)
    with torch.no_grad():
        whole = network(lr)[:, :, 60:68]
        for overlap, equal in ((radius, True), (radius - 1, False)):
            tile = network(lr[:, :, 30 - overlap : 34 + overlap])[:, :, 2 * overlap : -2 * overlap]
            assert torch.allclose(tile, whole, rtol=0, atol=1e-14) == equal


def test_probing_leaves_the_network_alone():
    network = networks.build("srresnet", 1, scale=2).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    receptive_field(network)
    assert network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_radius_of_a_network_that_cannot_see_a_strip_is_unknown():
    network = Local(7, 7)
    network.layer = nn.Conv2d(1, 1, 7, padding=3, padding_mode="reflect")
    assert network(torch.zeros(1, 1, 4, 4)).shape == (1, 1, 4, 4)
    assert receptive_field(network) == (None, None)
    assert margin(network) == (16, 16)


def test_radius_of_a_network_that_replaces_missing_values_is_unknown():
    network = Local(7, 7)
    network.register_forward_pre_hook(lambda _, inputs: torch.nan_to_num(inputs[0]))
    assert receptive_field(network) == (None, None)


def test_margin_is_the_radius_up_to_a_limit_in_whole_cells():
    assert margin(Local(5, 11)) == (2, 5)
    assert margin(Local(2 * 72 + 1, 2 * 73 + 1)) == (72, 16)
    assert margin(Local(3, 2 * 16 + 1, 2 * 17 + 1)) == (1, 16, 8)
    assert margin(Pooled(5, 5)) == (2, 16)
    assert margin(Cells(0)) == (6, 0)


def test_a_network_is_measured_once():
    class Counting(Cubic):
        calls = 0

        def forward(self, lr):
            Counting.calls += 1
            return super().forward(lr)

    network = Counting()
    first = receptive_field(network)
    calls = Counting.calls
    assert receptive_field(network) == first
    assert Counting.calls == calls
