from math import pi

import numpy as np
import pytest
import torch
from scipy.special import j1
from torchvision.io import decode_jpeg, encode_jpeg

from srlab.degradations import Bicubic, Chain, Jpeg, Noise, Photo
from srlab.degradations.draws import Draws
from srlab.degradations.photo_kernels import blur_kernel, ringing_kernel
from srlab.mistakes import Mistake


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def picture(*size):
    """A smooth picture of 0 to 255."""
    small = torch.rand(*size[:2], 4, 4, generator=seeded(1))
    return 255 * torch.nn.functional.interpolate(small, size[2:], mode="bilinear")


@pytest.mark.parametrize(("gain", "sigma"), [(0.0, 3.0), (2.0, 0.0), (0.5, 4.0)])
def test_noise_has_the_stated_mean_and_variance(gain, sigma):
    hr = torch.tensor([40.0, 400.0]).view(1, 2, 1, 1).expand(1, 2, 200, 200)
    noisy = Noise(gain=gain, sigma=sigma)(hr, generator=seeded())
    for channel, level in enumerate((40.0, 400.0)):
        values = noisy[0, channel].double()
        variance = gain * level + sigma**2
        # 40 000 samples: five standard errors of mean and variance
        assert abs(values.mean() - level) < 5 * (variance / 40_000) ** 0.5
        assert abs(values.var() / variance - 1) < 5 * (2 / 40_000) ** 0.5 + 0.01


def test_each_image_draws_its_own_noise_level():
    noisy = Noise(sigma=[1.0, 50.0])(torch.zeros(8, 1, 64, 64), generator=seeded())
    levels = noisy.flatten(1).std(dim=1)
    assert levels.min() > 0.9
    assert levels.max() < 55
    assert levels.max() > 2 * levels.min()


def test_empty_and_negative_pixels_have_no_shot_noise():
    hr = torch.tensor([0.0, -5.0]).view(1, 1, 1, 2)
    assert torch.equal(Noise(gain=3.0)(hr, generator=seeded()), hr)


@pytest.mark.filterwarnings("ignore:The image decoding and encoding:DeprecationWarning")
@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_equals_torchvision(channels):
    hr = picture(1, channels, 48, 64).round()
    for quality in (20, 90):
        lr = Jpeg(quality=quality)(hr, generator=seeded())
        expected = decode_jpeg(encode_jpeg(hr[0].to(torch.uint8), quality=quality)).float()
        assert (lr[0] - expected).abs().mean() < 0.5  # libraries may round colours differently
        assert not torch.equal(lr, hr)


def test_gradients_pass_through_noise_and_jpeg():
    hr = picture(1, 3, 16, 16).requires_grad_()
    Jpeg(quality=50)(hr, generator=seeded()).sum().backward()
    assert torch.equal(hr.grad, torch.ones_like(hr))
    hr.grad = None
    Noise(gain=1.0, sigma=2.0)(hr, generator=seeded()).sum().backward()
    assert torch.equal(hr.grad, torch.ones_like(hr))


def test_chain_applies_its_steps_in_order():
    hr = picture(1, 3, 32, 32)
    chain = Chain(scale=2, steps=[Bicubic(scale=2), Noise(sigma=3.0)])
    expected = Noise(sigma=3.0)(Bicubic(scale=2)(hr), generator=seeded(4))
    assert torch.equal(chain(hr, generator=seeded(4)), expected)
    assert not chain.linear


def test_photo_gives_whole_numbers_that_follow_from_the_generator():
    hr = picture(2, 3, 64, 48)
    photo = Photo(scale=(4, 2))
    lr = photo(hr, generator=seeded())
    assert lr.shape == (2, 3, 16, 24)
    assert torch.equal(lr, lr.round())
    assert lr.min() >= 0
    assert lr.max() <= 255
    assert torch.equal(lr, photo(hr, generator=seeded()))
    assert not torch.equal(lr, photo(hr, generator=seeded(1)))
    assert photo(hr[:, :1], generator=seeded()).shape == (2, 1, 16, 24)


def test_photo_keeps_what_an_image_shows():
    hr = picture(1, 3, 128, 128)
    shrunk = Bicubic(scale=4)(hr)
    for seed in range(6):
        lr = Photo(scale=4)(hr, generator=seeded(seed))
        # noise of up to 30 steps and more of JPEG; far from another picture
        assert (lr - shrunk).abs().mean() < 40
        assert torch.corrcoef(torch.stack([lr.flatten(), shrunk.flatten()]))[0, 1] > 0.7


def test_blur_kernels_are_normal_and_lie_in_the_middle():
    draws = Draws(seeded())
    places = torch.arange(21, dtype=torch.float64) - 10
    for _ in range(60):
        (kernel,) = blur_kernel(draws, (0.2, 3.0))
        assert kernel.shape == (21, 21)
        torch.testing.assert_close(kernel.sum(), torch.tensor(1.0, dtype=torch.float64))
        torch.testing.assert_close(kernel, kernel.flip(0, 1))  # the same from both sides
        assert abs((kernel * places).sum()) < 1e-9


def test_ringing_kernel_is_the_circular_sinc():
    (kernel,) = ringing_kernel(Draws(seeded()))
    row = kernel[10, 10:].numpy()
    size = 2 * int(np.count_nonzero(row)) - 1
    radii = np.hypot(*np.meshgrid(*[np.arange(size) - size // 2] * 2))

    def sinc(cutoff):
        with np.errstate(invalid="ignore", divide="ignore"):
            rings = cutoff * j1(cutoff * radii) / (2 * pi * radii)
        rings[size // 2, size // 2] = cutoff**2 / (4 * pi)
        return rings / rings.sum()

    inner = kernel[10 - size // 2 : 11 + size // 2, 10 - size // 2 : 11 + size // 2].numpy()
    cutoffs = np.linspace(pi / 5, pi, 20_001)
    errors = [np.abs(sinc(cutoff) - inner).max() for cutoff in cutoffs[::400]]
    nearest = cutoffs[::400][int(np.argmin(errors))]
    finer = [
        np.abs(sinc(cutoff) - inner).max() for cutoff in nearest + np.linspace(-0.05, 0.05, 401)
    ]
    assert min(finer) < 1e-3


def test_unfit_arguments_are_refused():
    cases = [
        (lambda: Noise(), "gain and sigma of the noise are both 0"),
        (lambda: Noise(sigma=-1.0), "sigma is -1.0; give a number from 0"),
        (lambda: Noise(sigma=[2.0, 1.0]), r"sigma is \[2.0, 1.0\]; give a number from 0"),
        (lambda: Jpeg(quality=0), "quality is 0; give a number from 1 to 100"),
        (lambda: Jpeg(quality=50, spatial_dims=3), "jpeg is for images of 2 axes"),
        (lambda: Photo(scale=2, spatial_dims=3), "photo is for images of 2 axes"),
        (lambda: Photo(scale=2, resize=[[0.1, 0.5], [0.5, 1.5]]), "each range must hold 1"),
        (lambda: Photo(scale=2, quality=[[30, 95]]), "give a range for each of the two passes"),
        (lambda: Chain(scale=4, steps=[Bicubic(scale=2)]), r"shrink by \(2, 2\) and scale is"),
        (lambda: Chain(scale=1, steps=[]), r"shrink by \(\) and scale is \(1, 1\)"),
    ]
    for make, message in cases:
        with pytest.raises(Mistake, match=message):
            make()


@pytest.mark.parametrize("degradation", [Jpeg(quality=50), Photo(scale=2)])
def test_other_numbers_of_channels_are_refused(degradation):
    with pytest.raises(Mistake, match=r"it takes \(batch, 1 or 3, H, W\)"):
        degradation(torch.zeros(1, 4, 16, 16), generator=seeded())
