"""How far a pixel of LR reaches, by the closed form of each stack of convolutions."""

from fractions import Fraction
from itertools import product, zip_longest
from math import ceil

import networks
import pytest
import torch
from networks import GENERATORS, that_take

from srlab.nn.receptive_field import receptive_field

# at LR resolution, by the number of blocks: the sum of half the kernels before the upsampler
TRUNKS = {
    "compact": lambda blocks: blocks + 2,
    "lka": lambda blocks: (
        1 + 12 * blocks + 1
    ),  # 2 + 3·3 for the depthwise pair, 1 in the feed-forward part
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
FACTORS = {1: [], 2: [2], 3: [3], 4: [2, 2]}


def radius(name, scale, *, blocks=1, upsampler=None):
    """Along each axis in LR pixels, not rounded: a layer counts half its kernel over the resolution it works at."""
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


def measured(name, scale, **options):
    return receptive_field(networks.build(name, 1, scale=scale, spatial_dims=len(scale), **options))


SCALES = [(2, 2), (3, 3), (4, 4), (1, 4, 4), (3, 1, 1), (2, 3, 4)]
OF_UPSAMPLERS = [
    (name, scale, {"upsampler": upsampler, "skip": "cubic"})  # with a tail of zeros
    for name, scale, upsampler in product(
        that_take("upsampler"), SCALES, ["shuffle", "nearest", "transposed"]
    )
    if name != "rcab"
] + [("compact", scale, {}) for scale in SCALES]


@pytest.mark.parametrize(("name", "scale", "options"), OF_UPSAMPLERS, ids=str)
def test_radius_is_that_of_the_stack_of_convolutions(name, scale, options):
    expected = radius(name, scale, upsampler=options.get("upsampler"))
    assert measured(name, scale, **options) == tuple(ceil(reach) for reach in expected)


OF_SKIPS = [(name, skip) for name in TRUNKS for skip in ("nearest", "linear", "cubic")] + [
    (name, "none") for name in that_take("skip_channels") if name != "rcab"
]


@pytest.mark.parametrize(("name", "skip"), OF_SKIPS)
def test_radius_does_not_depend_on_the_skip(name, skip):
    assert measured(name, (4, 3), skip=skip) == tuple(ceil(reach) for reach in radius(name, (4, 3)))


@pytest.mark.parametrize("blocks", [2, 5])
@pytest.mark.parametrize("name", TRUNKS)
def test_radius_grows_with_the_blocks(name, blocks):
    assert measured(name, (2, 4), blocks=blocks) == tuple(
        ceil(r) for r in radius(name, (2, 4), blocks=blocks)
    )


@pytest.mark.parametrize(
    ("name", "blocks", "expected"),
    [
        ("rrdb", 1, 19),
        ("rrdb", 4, 64),
        ("compact", 16, 18),
        ("residual", 16, 36),
        ("rrdb", 23, 349),
    ],
)
def test_radius_of_published_networks(name, blocks, expected):
    assert measured(name, (4, 4), blocks=blocks) == (expected, expected)


@pytest.mark.parametrize("name", TRUNKS)
def test_reach_in_hr_pixels_is_exact_at_both_ends(name):
    reach = 4 * radius(name, (4, 4))[0]
    network = networks.build(name, scale=4).double().eval()
    lr = torch.rand(1, 3, 3, 61, dtype=torch.float64)
    lr[..., 30] = torch.nan
    touched = network(lr)[0, 0, 0].isnan().nonzero().flatten()
    assert touched.tolist() == list(range(4 * 30 - int(reach), 4 * 30 + 4 + int(reach)))


@pytest.mark.parametrize("scale", [(2, 3), (1, 2, 2)], ids=str)
def test_global_attention_has_no_radius_along_any_axis(scale):
    assert measured("rcab", scale) == measured("rcab", scale, skip="cubic") == (None,) * len(scale)


def test_closed_forms_cover_every_generator():
    assert set(TRUNKS) | {"rcab"} == set(TAILS) | {"rcab"} == set(GENERATORS)
