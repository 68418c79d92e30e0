"""Correctness: the shares of improvement, omission and hallucination in SR."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from srlab.metrics.protocol import ScoringContext
from srlab.mistakes import Mistake
from srlab.nn.resample import enlarge

PixelDistance = Literal["normalised", "absolute"]


class Correctness:
    """Shares of improvement, omission and hallucination in SR (Aybar et al. 2024, correctness).

    LR, enlarged linearly, stands for the known part of the image, and HR for the truth. SR improves
    on enlarged LR where it comes close to HR. It omits detail where it stays close to enlarged LR.
    It hallucinates where it is close to neither.

    Each pixel has three distances: ``r`` from enlarged LR to HR, ``i`` from SR to HR, and ``o``
    from SR to enlarged LR. The latter two are divided by ``r``. They give the pixel's distances to
    the three states, with the `softness` λ:

    - improvement: ``i + o (1 - exp(-λ (i + o - 1)))``.
    - omission: ``o + i (1 - exp(-λ (i + o - 1)))``.
    - hallucination: ``exp(-λ i o)``.

    A softmin with the `temperature` turns the three into shares, which add up to 1. The scores are
    the means of the shares, each ``(B,)``. The mean is over pixels where one of the undivided
    distances exceeds the `quantile` of ``r``, since the others hardly change.

    `distance` is a mean over the channels. ``normalised`` is that of ``|a - b| / (|a| + |b|)``, for
    reflectance. ``absolute`` is that of ``|a - b|``, for units without a true zero.

    The defaults are those of the authors' package opensr-test 1.3.3. The package first matches the
    histograms of SR to those of HR, aligns SR with HR, and crops 16 pixels. This hides errors of
    colour and position, so it is not done here. The package gives the same values if its options
    ``harm_apply_spectral``, ``harm_apply_spatial`` and ``border_mask`` are switched off. For
    negative values its distance ``|a - b| / |a + b|`` has poles, which the distance here has not.

    Hidden pixels are left out. The scores of an image are NaN if no pixel exceeds the quantile, for
    example if SR, HR and enlarged LR are equal.

    Raises a `Mistake` for arguments out of range, or if enlarged LR and HR have different shapes.
    """

    higher_is_better = True
    """Improvement is better if it is higher; the other two shares then become smaller."""

    def __init__(
        self,
        *,
        distance: PixelDistance = "normalised",
        quantile: float = 0.75,
        softness: float = 0.05,
        temperature: float = 0.25,
    ) -> None:
        if distance not in get_args(PixelDistance):
            raise Mistake(
                f"distance is {distance!r}; it must be one of {', '.join(get_args(PixelDistance))}."
            )
        if not 0 <= quantile < 1:
            raise Mistake(
                f"quantile is {quantile}; give a share from 0 (nearly every pixel counts) to below "
                "1."
            )
        if softness <= 0 or temperature <= 0:
            raise Mistake(
                f"softness is {softness} and temperature {temperature}; give more than 0."
            )
        self.distance = distance
        self.quantile = quantile
        self.softness = softness
        self.temperature = temperature

    def __call__(self, sr: Tensor, hr: Tensor, context: ScoringContext) -> dict[str, Tensor]:
        """Return the three shares of SR ``(B, C, *S)``, each ``(B,)``."""
        known = enlarge(context.lr.to(sr.dtype), context.scale, "linear")
        if known.shape != hr.shape:
            raise Mistake(
                f"LR {tuple(context.lr.shape)} enlarged by {context.scale} is not of the shape of "
                f"HR {tuple(hr.shape)}: correctness compares channel by channel. Leave this metric "
                "out where LR has other channels."
            )
        visible = torch.ones_like(sr[:, 0], dtype=torch.bool)
        if context.valid is not None:
            visible = context.valid[:, 0]

        reference, to_hr, to_lr = (
            torch.where(visible, self._distance(first, second), 0.0).flatten(1)
            for first, second in ((known, hr), (sr, hr), (sr, known))
        )
        threshold = _kth_smallest(reference, visible.flatten(1), self.quantile)
        counts = (torch.stack([reference, to_hr, to_lr]) > threshold).any(0)
        shares = self._shares(reference, to_hr, to_lr)
        means = torch.where(counts, shares, torch.nan).nanmean(2)
        return dict(zip(("improvement", "omission", "hallucination"), means, strict=True))

    def _distance(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the distance of each pixel, a mean over channels: ``(B, *S)``."""
        error = (a - b).abs()
        if self.distance == "normalised":
            error = error / (a.abs() + b.abs()).clamp(min=torch.finfo(error.dtype).tiny)
        return error.mean(1)

    def _shares(self, reference: Tensor, to_hr: Tensor, to_lr: Tensor) -> Tensor:
        """Return each pixel's shares of improvement, omission and hallucination, ``(3, …)``."""
        i = to_hr / reference
        o = to_lr / reference
        factor = 1 - torch.exp(-self.softness * (i + o - 1))
        improvement = i + o * factor
        omission = o + i * factor
        hallucination = torch.exp(-self.softness * i * o)
        distances = torch.stack([improvement, omission, hallucination])
        return torch.softmax(-distances / self.temperature, dim=0)


def _kth_smallest(values: Tensor, visible: Tensor, quantile: float) -> Tensor:
    """Return the `quantile` of the visible values in each row, ``(B, 1)``.

    It is one of the values: between two values, the lower one is taken.
    """
    ordered = torch.where(visible, values, torch.inf).sort(dim=1).values
    # Whole millionths make the position exact, and the same on every device.
    millionths = round(1_000_000 * quantile)
    position = visible.sum(1, keepdim=True) * millionths // 1_000_000 - 1
    return ordered.gather(1, position.clamp(min=0))
