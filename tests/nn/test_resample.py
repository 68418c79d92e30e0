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

ANISOTROPIC = [(1, 4, 4), (3, 1, 1), (2, 2, 2), (2, 3, 1)]


def cubic(x, a=-0.5):
    """Keys 1981, eq. 15 with the free parameter of eq. 8."""
    x = np.abs(x)
    near = (a + 2) * x**3 - (a + 3) * x**2 + 1
    far = a * (x**3 - 5 * x**2 + 8 * x - 4)
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def imresize_axis(image, axis, ratio):
    """MATLAB's imresize along one axis as a dense matrix: centres at half integers, clamped indices."""
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
    return torch.from_numpy(
        np.array(Image.fromarray(image.numpy(), "F").resize((width, height), Image.BICUBIC))
    )


def random(*shape, dtype=torch.float64, seed=0):
    return torch.rand(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def round_to_integers(image):
    return (image + 0.5).floor().clamp(0, 255)


@pytest.mark.parametrize(
    ("x", "expected"),
    # by hand from Keys' polynomials: 1.5/8 - 2.5/4 + 1 and -0.5·(3.375 - 11.25 + 12 - 4)
    [
        (0.0, 1.0),
        (0.5, 0.5625),
        (1.0, 0.0),
        (1.5, -0.0625),
        (2.0, 0.0),
        (2.5, 0.0),
        (-0.5, 0.5625),
        (-1.5, -0.0625),
    ],
)
def test_kernel_has_keys_values(x, expected):
    assert keys_kernel(torch.tensor(x, dtype=torch.float64)).item() == expected


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_shrink_matches_pillow_inside(scale):
    image = random(19 * scale, 17 * scale, dtype=torch.float32)
    inside = (slice(2, -2), slice(2, -2))
    torch.testing.assert_close(
        shrink(image[None, None], scale)[0, 0][inside],
        pillow(image, 19, 17)[inside],
        atol=1e-6,
        rtol=0,
    )


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_enlarge_matches_pillow_inside(scale):
    image = random(11, 13, dtype=torch.float32)
    inside = (slice(2 * scale, -2 * scale), slice(2 * scale, -2 * scale))
    torch.testing.assert_close(
        enlarge(image[None, None], scale)[0, 0][inside],
        pillow(image, 11 * scale, 13 * scale)[inside],
        atol=1e-6,
        rtol=0,
    )


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 5, 8])
@pytest.mark.parametrize("size", [(1, 2), (3, 7)])
def test_image_matches_imresize_up_to_the_border(size, scale):
    lr, hr = random(2, 3, *size), random(2, 3, *(scale * length for length in size))
    torch.testing.assert_close(
        enlarge(lr, scale).numpy(), imresize(lr.numpy(), [scale] * 2), atol=1e-12, rtol=0
    )
    torch.testing.assert_close(
        shrink(hr, scale).numpy(), imresize(hr.numpy(), [1 / scale] * 2), atol=1e-12, rtol=0
    )


@pytest.mark.parametrize("scale", ANISOTROPIC, ids=str)
def test_volume_matches_imresize_up_to_the_border(scale):
    lr = random(1, 2, 3, 4, 5)
    hr = random(1, 2, *(2 * factor + factor for factor in scale))
    torch.testing.assert_close(
        enlarge(lr, scale).numpy(), imresize(lr.numpy(), scale), atol=1e-12, rtol=0
    )
    ratios = [1 / factor for factor in scale]
    torch.testing.assert_close(
        shrink(hr, scale).numpy(), imresize(hr.numpy(), ratios), atol=1e-12, rtol=0
    )


@pytest.mark.parametrize("kind", ["nearest", "linear"])
@pytest.mark.parametrize(
    "scale", [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (1, 3), *ANISOTROPIC], ids=str
)
@pytest.mark.parametrize("length", [1, 2, 5])
def test_nearest_and_linear_match_torch_up_to_the_border(kind, scale, length):
    lr = random(2, 3, *(length, 3, 4)[: len(scale)])
    mode, options = "nearest", {}
    if kind == "linear":
        mode, options = {2: "bilinear", 3: "trilinear"}[len(scale)], {"align_corners": False}
    expected = F.interpolate(lr, scale_factor=tuple(map(float, scale)), mode=mode, **options)
    torch.testing.assert_close(enlarge(lr, scale, kind), expected, atol=1e-12, rtol=0)


def test_cubic_is_the_default():
    lr = random(1, 1, 5, 4)
    assert torch.equal(enlarge(lr, 3), enlarge(lr, 3, "cubic"))


@pytest.mark.parametrize("kind", ["bicubic", "none", None])
def test_unknown_interpolation_is_refused(kind):
    with pytest.raises(
        ValueError, match=re.escape(f"skip is {kind!r}; it must be one of nearest, linear, cubic.")
    ):
        check_interpolation(kind, argument="skip")


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_shrink_equals_matlab_to_the_bit_on_set5(shared_data, scale):
    references = sorted(shared_data(f"rgb/set5/LR_matlab_x{scale}").glob("*.png"))
    assert references
    for path in references:
        lr = torch.from_numpy(np.array(Image.open(path))).movedim(-1, 0)
        hr = torch.from_numpy(
            np.array(Image.open(shared_data(f"rgb/set5/HR/{path.name}")))
        ).movedim(-1, 0)
        hr = hr[:, : lr.shape[1] * scale, : lr.shape[2] * scale].float()
        ours = shrink(hr[None], scale, after_each_axis=round_to_integers)[0]
        assert torch.equal(ours.to(torch.uint8), lr), path


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


@pytest.mark.parametrize("resample", [enlarge, shrink])
@pytest.mark.parametrize("scale", [2, 3, 4, 7, *ANISOTROPIC], ids=str)
def test_constants_are_preserved_to_the_border(resample, scale):
    factors = (scale,) * 2 if isinstance(scale, int) else scale
    constant = torch.full((1, 1, *(3 * factor for factor in factors)), 10_000.0)
    result = resample(constant, scale)
    torch.testing.assert_close(result, torch.full_like(result, 10_000.0), rtol=1e-6, atol=0)


@pytest.mark.parametrize("scale", [2, 3, 4, 5])
def test_enlarge_reproduces_parabolas_inside(scale):
    # Keys 1981, sec. V: with a = -1/2 the interpolation error is of third order
    lr = torch.arange(12, dtype=torch.float64)
    centres = (torch.arange(12 * scale, dtype=torch.float64) + 0.5) / scale - 0.5
    inside = slice(2 * scale, -2 * scale)
    for power in (1, 2):
        image = (lr**power)[None, None, :, None].expand(1, 1, 12, 3)
        torch.testing.assert_close(
            enlarge(image, (scale, 1))[0, 0, inside, 0], centres[inside] ** power
        )


@pytest.mark.parametrize("scale", [2, 3, 4, 5])
def test_shrink_reproduces_ramps_inside(scale):
    hr = torch.arange(12 * scale, dtype=torch.float64)[None, None, None].expand(1, 1, 2, -1)
    centres = scale * torch.arange(12, dtype=torch.float64) + (scale - 1) / 2
    torch.testing.assert_close(shrink(hr, (1, scale))[0, 0, 0, 2:-2], centres[2:-2])


@settings(max_examples=25, deadline=None)
@given(
    factors=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    corner=st.tuples(st.integers(0, 6), st.integers(0, 6)),
    size=st.tuples(st.integers(5, 8), st.integers(5, 8)),
)
def test_tile_gives_the_bits_of_the_whole(factors, corner, size):
    (rows, cols), (top, left), (height, width) = factors, corner, size
    lr = random(1, 2, 14, 14, dtype=torch.float32)
    tile = enlarge(lr[..., top : top + height, left : left + width], factors)
    whole = enlarge(lr, factors)[
        ..., rows * top : rows * (top + height), cols * left : cols * (left + width)
    ]
    inside = (..., slice(2 * rows, (height - 2) * rows), slice(2 * cols, (width - 2) * cols))
    assert torch.equal(tile[inside], whole[inside])

    hr = random(1, 2, 14 * rows, 14 * cols, dtype=torch.float32)
    tile = shrink(
        hr[..., rows * top : rows * (top + height), cols * left : cols * (left + width)], factors
    )
    whole = shrink(hr, factors)[..., top : top + height, left : left + width]
    assert torch.equal(tile[..., 2:-2, 2:-2], whole[..., 2:-2, 2:-2])


@pytest.mark.parametrize("resample", [enlarge, shrink])
@pytest.mark.parametrize("scale", [2, (1, 3), (2, 1, 3)], ids=str)
def test_gradient_matches_finite_differences(resample, scale):
    size = (4, 6) if isinstance(scale, int) else tuple(2 * factor for factor in scale)
    image = random(1, 2, *size).requires_grad_()
    assert torch.autograd.gradcheck(lambda image: resample(image, scale), image)


@pytest.mark.parametrize("resample", [enlarge, shrink])
def test_axes_of_factor_one_are_untouched(resample):
    video = random(1, 3, 5, 8, 12, dtype=torch.float32)
    frames = [resample(video[:, :, frame], (2, 4)) for frame in range(5)]
    assert torch.equal(resample(video, (1, 2, 4)), torch.stack(frames, dim=2))
    assert torch.equal(resample(video, 1), video)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_precision_is_kept(dtype):
    image = torch.rand(1, 1, 4, 4, dtype=dtype)
    assert enlarge(image, 2).dtype == shrink(image, 2).dtype == dtype


@pytest.mark.parametrize("scale", [3, (1, 3), [1, 3]], ids=str)
def test_shrink_refuses_a_size_that_is_no_multiple(scale):
    message = f"an image of size (9, 10) cannot be shrunk by {scale}: crop it to multiples first."
    with pytest.raises(ValueError, match=re.escape(message)):
        shrink(torch.zeros(1, 1, 9, 10), scale)


@pytest.mark.parametrize("resample", [enlarge, shrink])
def test_integers_are_refused_instead_of_truncating_the_weights(resample):
    with pytest.raises(
        ValueError, match=re.escape("got torch.uint8: convert the image with .float() first.")
    ):
        resample(torch.full((1, 1, 4, 4), 200, dtype=torch.uint8), 2)


def test_exported_program_takes_any_size_and_leaves_nothing_behind():
    class Enlarge(nn.Module):
        def forward(self, image):
            return enlarge(image, (6, 1))

    sides = {2: torch.export.Dim("side", min=2, max=64)}
    exported = torch.export.export(
        Enlarge(), (random(1, 1, 8, 3),), dynamic_shapes=(sides,)
    ).module()
    image = random(1, 1, 5, 3)
    expected = imresize(image.numpy(), [6, 1])
    np.testing.assert_allclose(exported(image).numpy(), expected, atol=1e-12)
    # no tensor of the tracer may linger in a cache
    np.testing.assert_allclose(enlarge(image, (6, 1)).numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("resample", [enlarge, shrink])
def test_scale_must_fit_the_image(resample):
    with pytest.raises(ValueError, match=re.escape("got (1, 4, 4) for 2 spatial axes")):
        resample(torch.zeros(1, 1, 8, 8), (1, 4, 4))
