import re
from math import ceil, floor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn
from torch.nn import functional as F

from srlab.nn.resample import check_interpolation, enlarge, keys_kernel, shrink

both = pytest.mark.parametrize("resample", [enlarge, shrink])


def cubic(x, a=-0.5):
    """Keys 1981, eq. 15 with the free parameter of eq. 8."""
    x = np.abs(x)
    near = (a + 2) * x**3 - (a + 3) * x**2 + 1
    far = a * (x**3 - 5 * x**2 + 8 * x - 4)
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def imresize_axis(image, axis, ratio):
    """MATLAB's imresize along one axis as a dense matrix: centres at half integers."""
    size, squeeze = image.shape[axis], min(ratio, 1.0)
    matrix = np.zeros((round(size * ratio), size))
    for row, weights in enumerate(matrix):
        centre = (row + 0.5) / ratio - 0.5
        taps = np.arange(floor(centre - 2 / squeeze), ceil(centre + 2 / squeeze) + 1)
        values = cubic((taps - centre) * squeeze)
        np.add.at(weights, taps.clip(0, size - 1), values / values.sum())
    return np.moveaxis(np.tensordot(matrix, image, (1, axis)), 0, axis)


def imresize(image, ratios):
    for axis, ratio in enumerate(ratios, start=image.ndim - len(ratios)):
        image = imresize_axis(image, axis, ratio)
    return image


def pillow(image, height, width):
    resized = Image.fromarray(image.numpy(), "F").resize((width, height), Image.BICUBIC)
    return torch.from_numpy(np.array(resized))


def random(*shape, dtype=torch.float64, seed=0):
    return torch.rand(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def round_to_integers(image):
    return (image + 0.5).floor().clamp(0, 255)


def test_kernel_has_keys_values():
    places = [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, -0.5, -1.5]
    # by hand from Keys' polynomials: 1.5/8 - 2.5/4 + 1 and -0.5·(3.375 - 11.25 + 12 - 4)
    expected = [1.0, 0.5625, 0.0, -0.0625, 0.0, 0.0, 0.5625, -0.0625]
    assert [keys_kernel(place) for place in places] == expected


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_matches_pillow_inside(scale):
    hr = random(19 * scale, 17 * scale, dtype=torch.float32)
    lr, expected = shrink(hr[None, None], scale)[0, 0], pillow(hr, 19, 17)
    torch.testing.assert_close(lr[2:-2, 2:-2], expected[2:-2, 2:-2], atol=1e-6, rtol=0)
    sr, expected = enlarge(lr[None, None], scale)[0, 0], pillow(lr, 19 * scale, 17 * scale)
    inside = (slice(2 * scale, -2 * scale), slice(2 * scale, -2 * scale))
    torch.testing.assert_close(sr[inside], expected[inside], atol=1e-6, rtol=0)


def test_matches_imresize_up_to_the_border():
    cases = [
        ((1, 1), (3, 7)),
        ((2, 2), (1, 2)),
        ((3, 3), (3, 7)),
        ((4, 8), (3, 7)),
        ((5, 5), (1, 2)),
        ((1, 4, 4), (3, 4, 5)),
        ((3, 1, 1), (3, 4, 5)),
        ((2, 3, 2), (2, 1, 3)),
    ]
    for scale, size in cases:
        finer = [length * factor for length, factor in zip(size, scale, strict=True)]
        lr, hr = random(2, 3, *size), random(2, 3, *finer)
        larger, smaller = imresize(lr.numpy(), scale), imresize(hr.numpy(), [1 / n for n in scale])
        np.testing.assert_allclose(enlarge(lr, scale).numpy(), larger, atol=1e-12, rtol=0)
        np.testing.assert_allclose(shrink(hr, scale).numpy(), smaller, atol=1e-12, rtol=0)


@pytest.mark.parametrize(
    ("kind", "mode"), [("nearest", ["nearest"] * 2), ("linear", ["bilinear", "trilinear"])]
)
def test_nearest_and_linear_match_torch_up_to_the_border(kind, mode):
    options = {} if kind == "nearest" else {"align_corners": False}
    for scale in [(1, 1), (2, 2), (4, 5), (1, 3), (1, 4, 4), (3, 1, 1), (2, 3, 1)]:
        for length in (1, 2, 5):
            lr = random(2, 3, *(length, 3, 4)[: len(scale)])
            factors = tuple(map(float, scale))
            expected = F.interpolate(lr, scale_factor=factors, mode=mode[len(scale) - 2], **options)
            torch.testing.assert_close(enlarge(lr, scale, kind), expected, atol=1e-12, rtol=0)


def test_cubic_is_the_default():
    lr = random(1, 1, 5, 4)
    assert torch.equal(enlarge(lr, 3), enlarge(lr, 3, "cubic"))


def test_unknown_interpolation_is_refused():
    for kind in ["bicubic", "none", None]:
        message = f"skip is {kind!r}; it must be one of nearest, linear, cubic."
        with pytest.raises(ValueError, match=re.escape(message)):
            check_interpolation(kind, argument="skip")


def test_after_each_axis_acts_between_the_passes():
    hr = (255 * random(1, 1, 12, 16)).round()
    expected = hr.numpy()
    for axis in (2, 3):
        expected = np.clip(np.floor(imresize_axis(expected, axis, 1 / 2) + 0.5), 0, 255)
    ours = shrink(hr, 2, after_each_axis=round_to_integers)
    np.testing.assert_array_equal(ours.numpy(), expected)
    assert not torch.equal(ours, round_to_integers(shrink(hr, 2)))


def test_after_each_axis_skips_axes_of_factor_one():
    shapes = []

    def record(image):
        shapes.append(tuple(image.shape[2:]))
        return image

    shrink(random(1, 1, 2, 6, 4), (1, 3, 2), after_each_axis=record)
    assert shapes == [(2, 2, 4), (2, 2, 2)]


@both
def test_constants_are_preserved_to_the_border(resample):
    for scale in [(2, 7), (3, 4), (2, 3, 1)]:
        constant = torch.full((1, 1, *(3 * factor for factor in scale)), 10_000.0)
        result = resample(constant, scale)
        torch.testing.assert_close(result, torch.full_like(result, 10_000.0), rtol=1e-6, atol=0)


@pytest.mark.parametrize("scale", [2, 3, 4, 5])
def test_parabolas_are_enlarged_and_ramps_shrunk_exactly_inside(scale):
    # Keys 1981, sec. V: with a = -1/2 the interpolation error is of third order
    lr = torch.arange(12, dtype=torch.float64)
    centres = (torch.arange(12 * scale, dtype=torch.float64) + 0.5) / scale - 0.5
    inside = slice(2 * scale, -2 * scale)
    for power in (1, 2):
        image = (lr**power)[None, None, :, None].expand(1, 1, 12, 3)
        sr = enlarge(image, (scale, 1))[0, 0, inside, 0]
        torch.testing.assert_close(sr, centres[inside] ** power)
    hr = torch.arange(12 * scale, dtype=torch.float64)[None, None, None].expand(1, 1, 2, -1)
    centres = scale * lr + (scale - 1) / 2
    torch.testing.assert_close(shrink(hr, (1, scale))[0, 0, 0, 2:-2], centres[2:-2])


@settings(max_examples=25, deadline=None)
@given(
    factors=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    corner=st.tuples(st.integers(0, 6), st.integers(0, 6)),
    size=st.tuples(st.integers(5, 8), st.integers(5, 8)),
)
def test_tile_gives_the_bits_of_the_whole(factors, corner, size):
    (rows, cols), (top, left), (height, width) = factors, corner, size
    coarse = (..., slice(top, top + height), slice(left, left + width))
    fine = (
        ...,
        slice(rows * top, rows * (top + height)),
        slice(cols * left, cols * (left + width)),
    )
    lr = random(1, 2, 14, 14, dtype=torch.float32)
    tile, whole = enlarge(lr[coarse], factors), enlarge(lr, factors)[fine]
    inside = (..., slice(2 * rows, (height - 2) * rows), slice(2 * cols, (width - 2) * cols))
    assert torch.equal(tile[inside], whole[inside])
    hr = random(1, 2, 14 * rows, 14 * cols, dtype=torch.float32)
    tile, whole = shrink(hr[fine], factors), shrink(hr, factors)[coarse]
    assert torch.equal(tile[..., 2:-2, 2:-2], whole[..., 2:-2, 2:-2])


@both
@pytest.mark.parametrize(("scale", "size"), [((2, 2), (4, 4)), ((2, 1, 3), (2, 2, 3))], ids=str)
def test_gradient_matches_finite_differences(resample, scale, size):
    image = random(1, 1, *size).requires_grad_()
    assert torch.autograd.gradcheck(lambda image: resample(image, scale), image)


@both
def test_axes_of_factor_one_are_untouched(resample):
    video = random(1, 3, 5, 8, 12, dtype=torch.float32)
    frames = [resample(video[:, :, frame], (2, 4)) for frame in range(5)]
    assert torch.equal(resample(video, (1, 2, 4)), torch.stack(frames, dim=2))
    assert torch.equal(resample(video, 1), video)


def test_precision_is_kept():
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        image = torch.rand(1, 1, 4, 4, dtype=dtype)
        assert enlarge(image, 2).dtype == shrink(image, 2).dtype == dtype


@pytest.mark.parametrize("scale", [3, [1, 3]], ids=str)
def test_shrink_refuses_a_size_that_is_no_multiple(scale):
    message = f"an image of size (9, 10) cannot be shrunk by {scale}: crop it to multiples first."
    with pytest.raises(ValueError, match=re.escape(message)):
        shrink(torch.zeros(1, 1, 9, 10), scale)


@both
def test_integers_are_refused_instead_of_truncating_the_weights(resample):
    message = "got torch.uint8: convert the image with .float() first."
    with pytest.raises(ValueError, match=re.escape(message)):
        resample(torch.full((1, 1, 4, 4), 200, dtype=torch.uint8), 2)


@both
def test_scale_must_fit_the_image(resample):
    with pytest.raises(ValueError, match=re.escape("got (1, 4, 4) for 2 spatial axes")):
        resample(torch.zeros(1, 1, 8, 8), (1, 4, 4))


def test_exported_program_takes_any_size_and_leaves_nothing_behind():
    class Enlarge(nn.Module):
        def forward(self, image):
            return enlarge(image, (6, 1))

    sizes = ({2: torch.export.Dim("side", min=2, max=64)},)
    exported = torch.export.export(Enlarge(), (random(1, 1, 8, 3),), dynamic_shapes=sizes).module()
    image = random(1, 1, 5, 3)
    expected = imresize(image.numpy(), [6, 1])
    np.testing.assert_allclose(exported(image).numpy(), expected, atol=1e-12)
    # no tensor of the tracer may linger in a cache
    np.testing.assert_allclose(enlarge(image, (6, 1)).numpy(), expected, atol=1e-12)
