"""The planes of volumes and clips, with pixels as long as they truly are."""

import numpy as np
import torch

from srlab.io import Axis
from srlab.report.pictures import below
from srlab.report.planes import planes


def axes_of(names, spacings, unit="mm"):
    return tuple(Axis(name, size, unit) for name, size in zip(names, spacings, strict=True))


def shown(image, axes, view="slices"):
    return [plane.pixels[0].numpy() for plane in planes(image, view, axes)]


def test_thick_slices_are_shown_as_thick_as_they_are_and_upwards():
    volume = torch.rand(1, 4, 8, 6)
    array = volume[0].numpy()
    z, y, x = shown(volume, axes_of("zyx", (3.0, 1.0, 1.0)))
    np.testing.assert_array_equal(z, array[2])
    np.testing.assert_array_equal(y, array[::-1, 4].repeat(3, axis=0))
    np.testing.assert_array_equal(x, array[::-1, :, 3].repeat(3, axis=0))


def test_an_image_is_as_wide_as_its_pixels_are_long():
    cases = [
        ((0.5, 1.25), "µm", (8, 15)),  # 8 pixels by 6 of 2.5 times the length
        ((1.0, 1.01), "mm", (8, 6)),  # as good as square
        ((1.0, 1000.0), "mm", (8, 96)),  # a header may claim anything
        ((None, 2.0), "mm", (8, 6)),
        ((1.0, 2.0), None, (8, 6)),
    ]
    for spacings, unit, size in cases:
        (image,) = shown(torch.rand(1, 8, 6), axes_of("yx", spacings, unit))
        assert image.shape == size


def test_pixels_of_broken_ratios_are_repeated_around_their_middles():
    """At 1.5 times the length, the places 1/3, 1, 5/3, … of the pixels are shown."""
    (image,) = shown(torch.arange(4.0).view(1, 1, 4), axes_of("yx", (2.0, 3.0)))
    assert image.tolist() == [[0, 1, 1, 2, 3, 3]]


def test_a_clip_is_shown_by_a_frame_and_its_profile_in_time():
    clip = torch.rand(1, 3, 20, 5)
    axes = (Axis("t", 0.04, "s"), Axis("y"), Axis("x"))
    frame, profile = shown(clip, axes)
    np.testing.assert_array_equal(frame, clip[0, 1].numpy())
    np.testing.assert_array_equal(profile, clip[0, :, 10].numpy().repeat(3, axis=0))


def test_pictures_below_each_other_are_as_wide_as_the_widest():
    first, second = torch.rand(3, 2, 4), torch.rand(3, 3, 6)
    sheet = below([first, second])
    assert sheet.shape == (3, 5, 6)
    assert torch.equal(sheet[:, :2, :4], first)
    assert torch.equal(sheet[:, 2:], second)
    assert not sheet[:, :2, 4:].any()
