"""Photo: the random blur, resizing, noise and compression of Real-ESRGAN."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from srlab.axes import per_axis
from srlab.degradations.draws import Draws
from srlab.degradations.filtering import filtered
from srlab.degradations.jpeg import compressed
from srlab.degradations.photo_kernels import blur_kernel, ringing_kernel
from srlab.degradations.ranges import Range, check_range
from srlab.mistakes import Mistake

SECOND_BLUR_SHARE = 0.8
FINAL_RINGING_SHARE = 0.8
GAUSSIAN_SHARE = 0.5
GREY_SHARE = 0.4
RESIZINGS = (
    {"up": 0.2, "down": 0.7, "keep": 0.1},
    {"up": 0.3, "down": 0.4, "keep": 0.3},
)
MODES = ("area", "bilinear", "bicubic")
LUMA = (0.299, 0.587, 0.114)

Pair = Sequence[Sequence[float]]


class Photo:
    """Applies random blur, resizing, noise and JPEG, twice (Real-ESRGAN, Wang et al. 2021, sec. 3).

    Images are ``(B, C, H, W)`` with 1 or 3 channels and values of 0 to 255. LR is rounded to whole
    numbers. Each image draws its own steps, in the order and with the probabilities of the paper
    and its supplement. Borders are repeated outwards.

    Every argument holds two ranges, for the first pass and the second one. Each image draws a
    number from each range it needs:

    - `blur_sigma`: the standard deviation of the blur, in pixels.
    - `resize`: the factor of the size, which is relative to LR in the second pass.
    - `noise_sigma`: the standard deviation of Gaussian noise, in grey values of 0 to 255.
    - `shot_noise`: the strength of Poisson noise; 1 is the noise of 255 photons at white.
    - `quality`: the quality of JPEG, from 1 to 100.

    Raises a `Mistake` for other axes, channels or ranges.
    """

    linear = False

    def __init__(
        self,
        *,
        scale: int | Sequence[int],
        spatial_dims: int = 2,
        blur_sigma: Pair = ((0.2, 3.0), (0.2, 1.5)),
        resize: Pair = ((0.15, 1.5), (0.3, 1.2)),
        noise_sigma: Pair = ((1.0, 30.0), (1.0, 25.0)),
        shot_noise: Pair = ((0.05, 3.0), (0.05, 2.5)),
        quality: Pair = ((30, 95), (30, 95)),
    ) -> None:
        if spatial_dims != 2:
            raise Mistake(f"photo is for images of 2 axes, and spatial_dims is {spatial_dims}.")
        self.scale = per_axis(scale, spatial_dims)
        self.blur_sigma = _two("blur_sigma", blur_sigma, least=0.01)
        self.resize = _two("resize", resize, least=0.01)
        self.noise_sigma = _two("noise_sigma", noise_sigma, least=0)
        self.shot_noise = _two("shot_noise", shot_noise, least=0)
        self.quality = _two("quality", quality, least=1, most=100)
        for low, high in self.resize:
            if not low <= 1 <= high:
                raise Mistake(f"resize is {resize}; each range must hold 1, such as [0.5, 1.5].")

    def __call__(self, hr: Tensor, *, generator: torch.Generator) -> Tensor:
        """Degrade HR ``(B, C, H·scale, W·scale)`` to LR ``(B, C, H, W)``."""
        if hr.ndim != 4 or hr.shape[1] not in (1, 3):
            raise Mistake(
                f"photo got an array of shape {tuple(hr.shape)}; it takes (batch, 1 or 3, H, W)."
            )
        draws = Draws(generator)
        with torch.no_grad():
            images = [self._degraded(image[None], draws) for image in hr / 255]
            return torch.cat(images).mul(255).round().clamp(0, 255)

    def _degraded(self, image: Tensor, draws: Draws) -> Tensor:
        """Degrade one image ``(1, C, H, W)`` with values of 0 to 1 by a random history."""
        sides = zip(image.shape[2:], self.scale, strict=True)
        lr_size = [side // factor for side, factor in sides]

        image = filtered(image, blur_kernel(draws, self.blur_sigma[0]), 1)
        image = self._resized(image, draws, 0, list(image.shape[2:]))
        image = self._noisy(image, draws, 0)
        image = self._compressed(image, draws, 0)

        if draws.happens(SECOND_BLUR_SHARE):
            image = filtered(image, blur_kernel(draws, self.blur_sigma[1]), 1)
        image = self._resized(image, draws, 1, lr_size)
        image = self._noisy(image, draws, 1)
        if draws.happens(0.5):
            image = self._finished(image, draws, lr_size)
            return self._compressed(image, draws, 1)
        image = self._compressed(image, draws, 1)
        return self._finished(image, draws, lr_size)

    def _resized(self, image: Tensor, draws: Draws, number: int, size: list[int]) -> Tensor:
        """Resize to a random factor of `size`."""
        low, high = self.resize[number]
        limits = {"up": (1.0, high), "down": (low, 1.0), "keep": (1.0, 1.0)}
        factor = draws.uniform(limits[draws.weighted(RESIZINGS[number])])
        wanted = [max(round(side * factor), 1) for side in size]
        return _interpolated(image, wanted, draws)

    def _noisy(self, image: Tensor, draws: Draws, number: int) -> Tensor:
        """Add Gaussian or Poisson noise, which is grey in some images and coloured in others."""
        gaussian = draws.happens(GAUSSIAN_SHARE)
        grey = draws.happens(GREY_SHARE)
        source = image
        if grey and image.shape[1] == 3:
            weights = image.new_tensor(LUMA).view(1, 3, 1, 1)
            source = (image * weights).sum(dim=1, keepdim=True)
        if gaussian:
            sigma = draws.uniform(self.noise_sigma[number]) / 255
            noise = sigma * draws.normal(source)
        else:
            photons = source.clamp(0, 1) * 255
            strength = draws.uniform(self.shot_noise[number])
            noise = strength * (draws.counts(photons) - photons) / 255
        return (image + noise).clamp(0, 1)

    def _compressed(self, image: Tensor, draws: Draws, number: int) -> Tensor:
        quality = round(draws.uniform(self.quality[number]))
        pixels = (image[0] * 255).round().clamp(0, 255).to("cpu", torch.uint8)
        return compressed(pixels, quality)[None].to(image) / 255

    def _finished(self, image: Tensor, draws: Draws, size: list[int]) -> Tensor:
        """Resize an image to LR's size, and let its edges ring in most cases."""
        image = _interpolated(image, size, draws)
        if draws.happens(FINAL_RINGING_SHARE):
            image = filtered(image, ringing_kernel(draws), 1)
        return image.clamp(0, 1)


def _interpolated(image: Tensor, size: list[int], draws: Draws) -> Tensor:
    mode = draws.one_of(MODES)
    if mode == "area":
        return F.interpolate(image, size, mode=mode)
    return F.interpolate(image, size, mode=mode, align_corners=False).clamp(0, 1)


def _two(
    name: str, value: Pair, *, least: float, most: float = float("inf")
) -> tuple[Range, Range]:
    if len(value) != 2:
        raise Mistake(f"{name} is {value}; give a range for each of the two passes.")
    first, second = (check_range(name, limits, least=least, most=most) for limits in value)
    return first, second
