"""How much of what SR adds is right, missing or invented."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from srlab.metrics.protocol import View
from srlab.mistakes import Mistake
from srlab.nn.resample import enlarge

Distance = Literal["normalised", "absolute"]


class Correctness:
    """Shares of improvement, omission and hallucination, which add up to 1 (Aybar et al. 2024, correctness).

    With enlarged LR as what was known and HR as what is true, each pixel has the distances ``r`` from enlarged LR to
    HR, ``i`` from SR to HR and ``o`` from SR to enlarged LR, the latter two in units of ``r``. Its distance is
    ``i + o (1 - exp(-λ (i + o - 1)))`` to improvement, the same with ``i`` and ``o`` swapped to omission, and
    ``exp(-λ i o)`` to hallucination, with λ the `softness`; a softmin at `temperature` makes shares of them, and their
    mean is over the pixels where ``r``, ``i`` or ``o`` exceeds the `quantile` of ``r``: elsewhere nothing happens.

    `distance` is the mean over channels of ``|a - b| / (|a| + |b|)`` (``normalised``, for reflectance) or of
    ``|a - b|`` (``absolute``, where zero has no meaning). The defaults are those of the authors' package opensr-test
    1.3.3, whose numbers these are once its preparation is off (``harm_apply_spectral``, ``harm_apply_spatial`` and
    ``border_mask``). That matches SR's histograms to HR's, aligns it with HR and crops 16 pixels, so that errors of
    colour and place go unpunished; here SR is judged as it is. For negative values the package's distance
    ``|a - b| / |a + b|`` has poles, this one has none. Hidden pixels are left out; an image in which no pixel
    exceeds the quantile, as where SR, HR and enlarged LR are equal, is NaN.
    """

    higher_is_better = True
    """Of the improvement, that is; omission and hallucination are what it leaves."""

    def __init__(
        self,
        *,
        distance: Distance = "normalised",
        quantile: float = 0.75,
        softness: float = 0.05,
        temperature: float = 0.25,
    ) -> None:
        if distance not in get_args(Distance):
            raise Mistake(
                f"distance is {distance!r}; it must be one of {', '.join(get_args(Distance))}."
            )
        if not 0 <= quantile < 1:
            raise Mistake(
                f"quantile is {quantile}; give a share from 0 (nearly every pixel counts) to below 1."
            )
        if softness <= 0 or temperature <= 0:
            raise Mistake(
                f"softness is {softness} and temperature {temperature}; give more than 0."
            )
        self.distance = distance
        self.quantile = quantile
        self.softness = softness
        self.temperature = temperature

    def __call__(self, sr: Tensor, hr: Tensor, view: View) -> dict[str, Tensor]:
        """Compare SR with HR, both ``(B, C, *S)``: three shares, each ``(B,)``."""
        known = enlarge(view.lr.to(sr.dtype), view.scale, "linear")
        if known.shape != hr.shape:
            raise Mistake(
                f"LR {tuple(view.lr.shape)} enlarged by {view.scale} is not of the shape of HR {tuple(hr.shape)}: "
                "correctness compares channel by channel. Leave this metric out where LR has other channels."
            )
        visible = (
            torch.ones_like(sr[:, 0], dtype=torch.bool) if view.valid is None else view.valid[:, 0]
        )
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
    millionths = round(1_000_000 * quantile)  # whole numbers are exact, and every device has them
    position = visible.sum(1, keepdim=True) * millionths // 1_000_000 - 1
    return ordered.gather(1, position.clamp(min=0))
