"""Image quality against a reference, in physical units."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

_SSIM_SIDE = 11
"""The side of SSIM's Gaussian window (Wang et al. 2004)."""


def psnr(sr: Tensor, hr: Tensor, *, data_range: float, valid: Tensor | None = None) -> Tensor:
    """Peak signal-to-noise ratio of each image of a batch, in dB: ``10 log10(data_range² / MSE)``, ``(B,)``.

    `valid` ``(B, 1, *S)`` restricts the mean to pixels that hold data; an image without any is NaN.
    """
    error = (sr - hr).square()
    if valid is not None:
        error = torch.where(valid, error, torch.nan)
    mse = error.flatten(1).nanmean(dim=1)
    return 10 * torch.log10(data_range**2 / mse)


def ssim(sr: Tensor, hr: Tensor, *, data_range: float, valid: Tensor | None = None) -> Tensor:
    """Structural similarity of each image of a batch, ``(B,)`` (Wang et al. 2004, eq. 13).

    Gaussian window of 11 pixels, sigma 1.5; the mean is over windows that lie inside the image, as in the authors'
    code and in scikit-image. Hidden pixels are set to one value in both images.
    """
    if min(sr.shape[2:]) < _SSIM_SIDE:
        raise ValueError(f"SSIM needs images of at least {_SSIM_SIDE} pixels a side; got {tuple(sr.shape[2:])}.")
    if valid is not None:
        sr, hr = (torch.where(valid, image, 0.0) for image in (sr, hr))
    _, similarity = structural_similarity_index_measure(
        sr, hr, data_range=data_range, reduction="none", return_full_image=True
    )
    for axis in range(2, sr.ndim):
        similarity = similarity.narrow(axis, _SSIM_SIDE // 2, sr.shape[axis] - _SSIM_SIDE + 1)
    return similarity.flatten(1).mean(dim=1)
