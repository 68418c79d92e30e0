import re

import numpy as np
import pytest
import torch
from PIL import Image

from srlab.report.pictures import comparison, displayable


def random(*size, seed=0):
    return torch.rand(size, generator=torch.Generator().manual_seed(seed))


def stretched(image, like):
    """Both ``(C, H, W)``, by numpy's percentiles over all channels shown."""
    low, high = np.percentile(like, [1, 99])
    return np.clip((image - low) / (high - low), 0, 1)


def test_limits_are_the_percentiles_of_the_reference():
    cases = [
        (1, None, [0, 0, 0]),
        (2, None, [0, 0, 0]),
        (3, None, [0, 1, 2]),
        (5, None, [0, 1, 2]),
        (5, [5, 1, 3], [4, 0, 2]),
        (5, (4,), [3, 3, 3]),
    ]
    for bands, channels, shown in cases:
        image, like = 4000 * random(bands, 20, 31) - 500, 3000 * random(bands, 20, 31, seed=1)
        result = displayable(image, like=like, channels=channels)
        expected = stretched(
            image.numpy()[shown], like.numpy()[shown[: 1 if len(set(shown)) == 1 else 3]]
        )
        assert result.shape == (3, 20, 31)
        np.testing.assert_allclose(result.numpy(), expected, atol=1e-5)
        assert result.min() == 0
        assert result.max() == 1


def test_images_of_another_size_are_stretched_alike():
    hr = 100 * random(3, 32, 32)
    lr = hr[:, ::4, ::4]
    np.testing.assert_array_equal(
        displayable(lr, like=hr).numpy(), displayable(hr, like=hr)[:, ::4, ::4].numpy()
    )


@pytest.mark.parametrize("depth", [1, 4, 5])
def test_volume_is_shown_by_its_middle_slice(depth):
    volume = random(2, depth, 9, 11)
    middle = volume[:1, depth // 2].numpy()
    expected = np.repeat(stretched(middle, middle), 3, axis=0)
    np.testing.assert_allclose(displayable(volume, like=volume).numpy(), expected, atol=1e-5)


def test_slices_are_the_middles_of_all_axes():
    volume = random(1, 5, 8, 6)
    array = volume[0].numpy()
    planes = [
        array[2],
        array[:, 4],
        array[:, :, 3],
    ]  # axial (H, W), coronal (D, W), sagittal (D, H)
    like = np.concatenate([plane.ravel() for plane in planes])
    result = displayable(volume, like=volume, view="slices").numpy()
    assert result.shape == (3, 8, 6 + 6 + 8)
    for plane, left in zip(planes, (0, 6, 12), strict=True):
        shown = result[0, :, left:][:, : plane.shape[1]]
        np.testing.assert_allclose(shown[: len(plane)], stretched(plane, like), atol=1e-5)
        assert (shown[len(plane) :] == 0).all()


@pytest.mark.parametrize(
    ("length", "shown"), [(16, [2, 6, 10, 14]), (4, [0, 1, 2, 3]), (3, [0, 1, 2]), (1, [0])]
)
def test_frames_are_spread_over_a_video(length, shown):
    video = random(3, length, 7, 9)
    frames = np.concatenate([video[:, number].numpy() for number in shown], axis=2)
    np.testing.assert_allclose(
        displayable(video, like=video, view="frames").numpy(), stretched(frames, frames), atol=1e-5
    )


@pytest.mark.parametrize("view", ["middle", "slices", "frames"])
def test_images_look_the_same_in_every_view(view):
    image = random(3, 8, 9)
    assert torch.equal(displayable(image, like=image, view=view), displayable(image, like=image))


def test_stretch_is_between_the_percentiles_given():
    image = 100 * random(1, 30, 30)
    low, high = np.percentile(image.numpy(), [20, 70])
    expected = np.clip((image.numpy() - low) / (high - low), 0, 1).repeat(3, axis=0)
    np.testing.assert_allclose(
        displayable(image, like=image, stretch=[20, 70]).numpy(), expected, atol=1e-5
    )


def test_stretch_is_two_rising_percentiles():
    for stretch in [[1], [50, 50], [99, 1], [-1, 99], [1, 101]]:
        message = (
            f"cannot stretch between percentiles {stretch}; give two rising ones from 0 to 100."
        )
        with pytest.raises(ValueError, match=re.escape(message)):
            displayable(random(1, 4, 4), like=random(1, 4, 4), stretch=stretch)


def test_unknown_view_is_refused():
    with pytest.raises(
        ValueError, match="cannot show a volume by 'top'; give one of middle, slices, frames"
    ):
        displayable(random(1, 4, 4, 4), like=random(1, 4, 4, 4), view="top")


@pytest.mark.parametrize("value", [0.0, -5.0, 1e4])
def test_constant_image_is_shown_without_division_by_zero(value):
    constant = torch.full((3, 8, 8), value)
    result = displayable(constant, like=constant)
    assert torch.equal(result, torch.zeros(3, 8, 8))


def test_missing_pixels_are_black_and_do_not_count():
    like = random(1, 20, 20)
    holes = like.clone()
    holes[:, :5] = torch.nan
    holes[:, 5] = torch.inf
    visible = like[:, 6:].numpy()
    result = displayable(holes, like=holes)
    np.testing.assert_allclose(result[:1, 6:].numpy(), stretched(visible, visible), atol=1e-5)
    assert torch.equal(result[:, :6], torch.zeros(3, 6, 20))
    assert displayable(
        torch.full((1, 4, 4), torch.nan), like=torch.full((1, 4, 4), torch.nan)
    ).equal(torch.zeros(3, 4, 4))


def test_percentiles_of_a_large_image_are_those_of_a_sample():
    # torch.quantile refuses more than 16 million values
    like = torch.arange(17_000_000, dtype=torch.float32).view(1, 1000, 17_000)
    image = torch.tensor([[[170_000.0, 8_500_000.0, 16_830_000.0]]])
    torch.testing.assert_close(
        displayable(image, like=like)[0, 0], torch.tensor([0.0, 0.5, 1.0]), atol=1e-3, rtol=0
    )


def test_channels_are_one_or_three_that_exist():
    for channels in [[0], [4], [1, 2], [1, 2, 4], [1, 1, 1, 1]]:
        message = f"cannot show channels {channels} of 3; give one or three numbers from 1."
        with pytest.raises(ValueError, match=re.escape(message)):
            displayable(random(3, 4, 4), like=random(3, 4, 4), channels=channels)


CAPTION, GAP = 28, 8


def bytes_of(image):
    return (255 * image.movedim(0, -1).double().numpy()).round().astype(np.uint8)


def framed(height, width, detail):
    """Where the frame of the detail is not: two pixels inwards along its border."""
    top, left, rows, cols = detail
    outside = np.ones((height, width), dtype=bool)
    outside[top : top + rows + 1, left : left + cols + 1] = False
    outside[top + 2 : top + rows - 1, left + 2 : left + cols - 1] = True
    return outside


@pytest.mark.parametrize("detail", [(4, 8, 12, 12), (0, 0, 12, 20), (30, 40, 10, 20)], ids=str)
def test_panels_hold_the_pictures_and_the_magnified_detail(tmp_path, detail):
    for names in [["LR"], ["LR", "SR", "HR"]]:
        height, width = 40, 60
        images = {name: random(3, height, width, seed=seed) for seed, name in enumerate(names)}
        comparison(images, tmp_path / "sheet.png", detail=detail)
        sheet = np.array(Image.open(tmp_path / "sheet.png"))
        top, left, rows, cols = detail
        magnified = width * rows // cols
        assert sheet.shape == (
            CAPTION + height + GAP + magnified,
            len(names) * width + (len(names) - 1) * GAP,
            3,
        )
        outside = framed(height, width, detail)
        for number, image in enumerate(images.values()):
            column = sheet[:, number * (width + GAP) :][:, :width]
            expected = bytes_of(image)
            np.testing.assert_array_equal(
                column[CAPTION : CAPTION + height][outside], expected[outside]
            )
            assert (column[:CAPTION] == 0).all(axis=-1).any()  # the name, in black
            assert (column[CAPTION + height :][:GAP] == 255).all()
            # each pixel of the sheet shows the one that its centre falls into
            rows_of = top + (2 * np.arange(magnified) + 1) * rows // (2 * magnified)
            cols_of = left + (2 * np.arange(width) + 1) * cols // (2 * width)
            np.testing.assert_array_equal(column[-magnified:], expected[np.ix_(rows_of, cols_of)])


def test_frame_marks_the_detail(tmp_path):
    comparison({"SR": torch.zeros(3, 40, 40)}, tmp_path / "sheet.png", detail=(8, 12, 10, 10))
    picture = np.array(Image.open(tmp_path / "sheet.png"))[CAPTION : CAPTION + 40]
    rows, cols = np.nonzero((picture == (255, 0, 0)).all(axis=-1))
    assert (rows.min(), cols.min()) == (8, 12)
    assert rows.max() in (17, 18)
    assert cols.max() in (21, 22)


def test_detail_is_the_busiest_square_of_the_last_picture(tmp_path):
    flat = torch.full((3, 100, 100), 0.5)
    busy = flat.clone()
    busy[:, 60:80, 20:40] = random(3, 20, 20)
    comparison({"LR": flat, "HR": busy}, tmp_path / "sheet.png")
    sheet = np.array(Image.open(tmp_path / "sheet.png"))
    detail = sheet[-100:, -100:]  # of 20 × 20 pixels, magnified five times
    np.testing.assert_array_equal(
        detail, bytes_of(busy[:, 60:80, 20:40]).repeat(5, axis=0).repeat(5, axis=1)
    )


def test_values_become_the_nearest_of_256(tmp_path):
    ramp = torch.linspace(0, 1, 64).expand(3, 16, 64)
    comparison({"ramp": ramp}, tmp_path / "sheet.png", detail=(0, 56, 8, 8))
    row = np.array(Image.open(tmp_path / "sheet.png"))[CAPTION + 12, :50]
    np.testing.assert_array_equal(
        row, np.round(np.linspace(0, 1, 64)[:50, None] * 255).repeat(3, axis=1)
    )
