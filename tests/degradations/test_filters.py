from math import exp, log, pi

import numpy as np
import pytest
import torch
from scipy import ndimage

from srlab.degradations import Area, BlurKernel, GaussianMtf
from srlab.mistakes import Mistake


def image(*size, seed=0):
    random = torch.Generator().manual_seed(seed)
    return torch.rand(size, dtype=torch.float64, generator=random)


def test_area_is_the_mean_of_blocks():
    hr = image(2, 3, 8, 9)
    expected = hr.view(2, 3, 2, 4, 3, 3).mean(dim=(3, 5))
    torch.testing.assert_close(Area(scale=(4, 3))(hr), expected)
    volume = image(1, 2, 4, 6, 9)
    expected = volume.view(1, 2, 4, 2, 3, 3, 3).mean(dim=(4, 6))
    torch.testing.assert_close(Area(scale=(1, 3, 3), spatial_dims=3)(volume), expected)


@pytest.mark.parametrize(("scale", "share"), [(2, 1.0), (3, 0.5)])
def test_waves_lose_what_the_mtf_says(scale, share):
    mtf = [0.2, 0.35]
    frequency = share / (2 * scale)  # of the LR Nyquist frequency, in cycles an HR pixel
    centres = torch.arange(64 * scale, dtype=torch.float64) + 0.5
    lr_centres = (torch.arange(64, dtype=torch.float64) + 0.5) * scale
    hr = torch.sin(2 * pi * frequency * centres).expand(1, 2, 3 * scale, -1)
    lr = GaussianMtf(scale=scale, mtf=mtf)(hr)
    for channel, value in enumerate(mtf):
        kept = exp(log(value) * share**2)  # a Gaussian's logarithm grows with the square
        expected = kept * torch.sin(2 * pi * frequency * lr_centres)
        # sampled and cut off, the kernel is not quite the Gaussian
        torch.testing.assert_close(lr[0, channel, 1, 16:-16], expected[16:-16], atol=2e-3, rtol=0)


def test_mtf_leaves_an_axis_of_scale_one_alone_and_flat_images_flat():
    hr = image(1, 1, 1, 24).expand(1, 1, 5, 24)
    degraded = GaussianMtf(scale=(1, 2), mtf=0.3)(hr)
    assert degraded.shape == (1, 1, 5, 12)
    assert (degraded == degraded[:, :, :1]).all()
    torch.testing.assert_close(
        GaussianMtf(scale=4, mtf=0.1)(torch.full((1, 1, 8, 8), 7.0)), torch.full((1, 1, 2, 2), 7.0)
    )


def test_kernel_is_convolved_as_scipy_does(tmp_path):
    kernel = image(5, 7, seed=3).numpy()
    np.save(tmp_path / "psf.npy", kernel)
    hr = image(1, 2, 15, 21)
    lr = BlurKernel(scale=3, kernel=str(tmp_path / "psf.npy"))(hr)
    for channel in range(2):
        blurred = ndimage.convolve(hr[0, channel].numpy(), kernel / kernel.sum(), mode="nearest")
        np.testing.assert_allclose(lr[0, channel].numpy(), blurred[1::3, 1::3])


def test_even_kernel_lies_in_the_middle_of_an_even_pixel():
    hr = image(1, 1, 12, 12)
    flat = np.ones((2, 2)).tolist()
    torch.testing.assert_close(BlurKernel(scale=2, kernel=flat)(hr), Area(scale=2)(hr))
    middle = hr.view(1, 1, 3, 4, 3, 4)[:, :, :, 1:3, :, 1:3].mean(dim=(3, 5))
    torch.testing.assert_close(BlurKernel(scale=4, kernel=flat)(hr), middle)


def test_unfit_arguments_are_refused():
    cases = [
        (lambda: GaussianMtf(scale=2, mtf=1.5), r"mtf is 1.5; give a number between 0 and 1"),
        (lambda: GaussianMtf(scale=2, mtf=[]), r"mtf is \[\]; give a number between 0 and 1"),
        (lambda: BlurKernel(scale=2, kernel=[1.0, 2.0]), "kernel has 1 axes and the images have 2"),
        (lambda: BlurKernel(scale=2, kernel=[[1.0], [1.0, 2.0]]), "is no array of numbers"),
        (lambda: BlurKernel(scale=2, kernel=[[0.0, 0.0]]), "kernel has the sum 0"),
        (lambda: BlurKernel(scale=2, kernel="nowhere.npy"), "nowhere.npy"),
    ]
    for make, message in cases:
        with pytest.raises(Mistake, match=message):
            make()


def test_images_that_do_not_fit_are_refused():
    cases = [
        (BlurKernel(scale=2, kernel=np.ones((3, 3)).tolist()), "give one of an even size"),
        (Area(scale=3), r"of size \(8, 8\) cannot be shrunk by \(3, 3\): crop it to multiples"),
        (GaussianMtf(scale=2, mtf=[0.2, 0.3]), "kernels for 2 channels and the image has 3"),
    ]
    for degradation, message in cases:
        with pytest.raises(Mistake, match=message):
            degradation(image(1, 3, 8, 8))
