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
    """Shares of improvement, omission and hallucination (Aybar et al. 2024, correctness).

    Enlarged LR is what was known, and HR is the truth. Each pixel has three distances: ``r`` from
    enlarged LR to HR, ``i`` from SR to HR, and ``o`` from SR to enlarged LR. The latter two are in
    units of ``r``. The pixel's distances to three states follow from them, with λ the `softness`:

    - improvement: ``i + o (1 - exp(-λ (i + o - 1)))``.
    - omission: ``o + i (1 - exp(-λ (i + o - 1)))``.
    - hallucination: ``exp(-λ i o)``.

    A softmin with `temperature` turns the three distances into shares, which add up to 1. Scores
    are their means over the pixels where ``r``, ``i`` or ``o`` exceeds the `quantile` of ``r``.
    Other pixels hardly change.

    `distance` is a mean over channels: ``normalised``, for reflectance, of
    ``|a - b| / (|a| + |b|)``, and ``absolute``, for units without a true zero, of ``|a - b|``.

    The defaults are those of the authors' package opensr-test 1.3.3. Values are equal to the
    package's if its preparation is switched off (``harm_apply_spectral``, ``harm_apply_spatial``
    and ``border_mask``). The preparation matches SR's histograms to those of HR, aligns SR with HR
    and crops 16 pixels, which hides errors of colour and position. The package's distance
    ``|a - b| / |a + b|`` has poles for negative values; this one has none.

    Hidden pixels are left out. An image in which no pixel exceeds the quantile is NaN, for example
    if SR, HR and enlarged LR are equal.
    """

    higher_is_better = True
    """This is true of improvement; omission and hallucination are the rest of the shares."""

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
        """Compare SR with HR, both ``(B, C, *S)``: three shares, each ``(B,)``."""
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
        pairs = ((known, hr), (sr, hr), (sr, known))
        between = [torch.where(visible, self._distance(a, b), 0.0).flatten(1) for a, b in pairs]
        threshold = _kth_smallest(between[0], visible.flatten(1), self.quantile)
        counts = (torch.stack(between) > threshold).any(0)
        shares = torch.where(counts, self._shares(*between), torch.nan).nanmean(2)
        return dict(zip(("improvement", "omission", "hallucination"), shares, strict=True))

    def _distance(self, a: Tensor, b: Tensor) -> Tensor:
        error = (a - b).abs()
        if self.distance == "normalised":
            error = error / (a.abs() + b.abs()).clamp(min=torch.finfo(error.dtype).tiny)
        return error.mean(1)

    def _shares(self, reference: Tensor, to_hr: Tensor, to_lr: Tensor) -> Tensor:
        """Softmin of the distances to improvement, omission and hallucination, ``(3, …)``."""
        i, o = to_hr / reference, to_lr / reference
        stay = 1 - torch.exp(-self.softness * (i + o - 1))
        distances = torch.stack([i + o * stay, o + i * stay, torch.exp(-self.softness * i * o)])
        return torch.softmax(-distances / self.temperature, dim=0)


def _kth_smallest(values: Tensor, visible: Tensor, quantile: float) -> Tensor:
    """The lower `quantile` of the visible values of each row, ``(B, 1)``; no interpolation."""
    ordered = torch.where(visible, values, torch.inf).sort(dim=1).values
    # In whole millionths: integers are exact and the same on every device.
    position = visible.sum(1, keepdim=True) * round(1_000_000 * quantile) // 1_000_000 - 1
    return ordered.gather(1, position.clamp(min=0))
