import re
from itertools import product
from math import prod

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from srlab.nn.dims import transposed_conv
from srlab.nn.upsample import (
    NearestUpsample,
    PixelShuffle,
    PixelUnshuffle,
    build_upsampler,
    stages,
)

SCALES = st.lists(st.integers(1, 64), min_size=2, max_size=3)
kinds = pytest.mark.parametrize("kind", ["shuffle", "nearest", "transposed"])


def is_prime(number):
    return number > 1 and all(number % divisor for divisor in range(2, number))


def shuffled(features, scale):
    """Shi et al. 2016, eq. 4, one cell of a pixel at a time; the last axis varies fastest."""
    batch, channels, *size = features.shape
    finer = [length * factor for length, factor in zip(size, scale, strict=True)]
    image = features.new_empty(batch, channels // prod(scale), *finer)
    for cell, offsets in enumerate(product(*map(range, scale))):
        steps = [
            slice(*start_and_step) for start_and_step in zip(offsets, finer, scale, strict=True)
        ]
        image[(slice(None), slice(None), *steps)] = features[:, cell :: prod(scale)]
    return image


@settings(max_examples=60, deadline=None)
@given(SCALES)
def test_stages_are_primes_or_idle_and_multiply_back_to_the_scale(scale):
    expected = scale if max(scale) > 1 else []
    assert [prod(factors) for factors in zip(*stages(scale), strict=True)] == expected
    for stage in stages(scale):
        assert len(stage) == len(scale)
        assert all(factor == 1 or is_prime(factor) for factor in stage)
        assert max(stage) > 1


def test_small_primes_come_first():
    cases = [
        ((1, 1), []),
        ((4, 4), [(2, 2), (2, 2)]),
        ((1, 6, 3), [(1, 2, 3), (1, 3, 1)]),
        ((12, 1), [(2, 1), (2, 1), (3, 1)]),
    ]
    for scale, expected in cases:
        assert stages(scale) == expected


@pytest.mark.parametrize("factor", [1, 3])
def test_pixel_shuffle_matches_torch_in_2d(factor):
    features = torch.randn(2, 3 * factor**2, 4, 5)
    assert torch.equal(PixelShuffle((factor, factor))(features), nn.PixelShuffle(factor)(features))


def test_pixel_shuffle_matches_a_loop_over_the_cells_and_is_undone():
    for scale in [(2, 2), (2, 3), (2, 2, 2), (1, 2, 3)]:
        features = torch.randn(2, 2 * prod(scale), *(3, 4, 5)[: len(scale)])
        image = PixelShuffle(scale)(features)
        assert torch.equal(image, shuffled(features, scale))
        assert torch.equal(PixelUnshuffle(scale)(image), features)


def test_pixel_unshuffle_equals_torchs_in_2d():
    image = torch.randn(2, 3, 8, 12)
    assert torch.equal(PixelUnshuffle((4, 4))(image), F.pixel_unshuffle(image, 4))


def test_pixel_unshuffle_refuses_a_part_of_a_cell():
    with pytest.raises(ValueError, match=r"size \(8, 9\) has no whole cells of \(2, 2\)"):
        PixelUnshuffle((2, 2))(torch.zeros(1, 1, 8, 9))


@pytest.mark.parametrize("scale", [(1, 1), (2, 5), (2, 2, 2), (3, 1, 1)], ids=str)
def test_nearest_upsample_matches_interpolate(scale):
    features = torch.randn(2, 3, *(4, 3, 5)[: len(scale)])
    expected = F.interpolate(features, scale_factor=[float(n) for n in scale], mode="nearest")
    assert torch.equal(NearestUpsample(scale)(features), expected)


@kinds
def test_every_prime_stage_has_a_convolution_and_an_activation_of_its_own(kind):
    for scale, convolutions in [((1, 1), 0), ((3, 3), 1), ((4, 2), 2), ((1, 4, 6), 2)]:
        layers = build_upsampler(kind, len(scale), 4, scale, activation=nn.PReLU)
        assert sum(isinstance(layer, nn.modules.conv._ConvNd) for layer in layers) == convolutions
        assert sum(isinstance(layer, nn.PReLU) for layer in layers) == convolutions
        # weight, bias and slope, shared by no two stages
        assert len({id(parameter) for parameter in layers.parameters()}) == 3 * convolutions
        result = layers(torch.zeros(2, 4, *[3] * len(scale)))
        assert result.shape == (2, 4, *(3 * factor for factor in scale))


@pytest.mark.parametrize("factor", [2, 3, 4, 5])
def test_transposed_convolution_gives_exactly_the_scaled_size(factor):
    for scale in [(factor, factor), (1, factor), (factor, 1, factor)]:
        size = (3, 5, 1)[: len(scale)]
        result = transposed_conv(len(scale), 2, scale)(torch.zeros(1, 2, *size))
        assert result.shape[2:] == tuple(n * f for n, f in zip(size, scale, strict=True))


@pytest.mark.parametrize("factor", [2, 3, 4, 5])
def test_transposed_convolution_reaches_equally_far_to_both_sides_and_leaves_no_gap(factor):
    layer = transposed_conv(2, 1, (1, factor))
    nn.init.ones_(layer.weight)
    nn.init.zeros_(layer.bias)
    spike = torch.zeros(1, 1, 1, 5)
    spike[..., 2] = 1
    touched = layer(spike)[0, 0, 0].nonzero().flatten().tolist()
    assert touched == list(range(2 * factor - factor // 2, 3 * factor + factor // 2))


def test_unknown_upsampler_is_refused():
    for kind in ["bilinear", "none", None]:
        message = f"upsampler is {kind!r}; it must be one of shuffle, nearest, transposed."
        with pytest.raises(ValueError, match=re.escape(message)):
            build_upsampler(kind, 2, 4, (2, 2))


@pytest.mark.parametrize("scale", [(3, 3), (4, 4), (1, 2, 4)], ids=str)
def test_shuffle_starts_without_a_checkerboard(scale):
    """Before training the first stage enlarges by nearest neighbours."""
    torch.manual_seed(0)
    first = build_upsampler("shuffle", len(scale), 4, scale)[:2]
    sr = first(torch.rand(1, 4, *[5] * len(scale)))
    stage = stages(scale)[0]
    corner = sr[(slice(None), slice(None), *(slice(None, None, factor) for factor in stage))]
    assert corner.std() > 0
    assert torch.equal(sr, NearestUpsample(stage)(corner))
