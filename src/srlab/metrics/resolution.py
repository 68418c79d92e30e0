"""The resolution that an image truly has, whatever its number of pixels: Fourier ring and shell correlation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from srlab.metrics.protocol import View
from srlab.mistakes import Mistake

_SMALLEST = 8
"""Fewer pixels along an axis leave less than four rings."""

_ROUNDING = 1e-5
"""Relative to the largest value, a span below this is that of one value, resampled in float32."""

Threshold = float | Literal["half_bit"]


@dataclass(frozen=True)
class RingCurve:
    """The correlation of two images, ring by ring."""

    frequency: Tensor
    """Middles of the rings ``(R,)``, rising from above zero to Nyquist, in cycles per pixel or per unit of the size."""

    correlation: Tensor
    """``(B, R)``, from -1 to 1; NaN for an image with nothing to compare."""

    count: Tensor
    """Fourier coefficients in each ring, ``(R,)``."""


def apodised(image: Tensor, *, visible: Tensor | None = None, taper: float = 1.0) -> Tensor:
    """Subtract each channel's mean over visible pixels, and fade it out towards the borders; ``(B, C, *S)``.

    Hidden pixels get that mean, which is zero afterwards. `taper` is the faded share of an axis (Tukey 1967): 1 is
    Hann's window, 0 none.
    """
    if not 0 <= taper <= 1:
        raise Mistake(f"taper is {taper}; give a share from 0 (no window) to 1 (Hann's).")
    image = image if image.dtype == torch.float64 else image.float()
    axes = tuple(range(2, image.ndim))
    if visible is None:
        image = image - image.mean(axes, keepdim=True)
    else:
        count = visible.sum(axes, keepdim=True).clamp(min=1)
        mean = torch.where(visible, image, 0.0).sum(axes, keepdim=True) / count
        image = torch.where(visible, image - mean, 0.0)
    for axis in axes:
        shape = [1] * image.ndim
        shape[axis] = image.shape[axis]
        image = image * _tukey(image.shape[axis], taper).to(image).view(shape)
    return image


def _tukey(size: int, taper: float) -> Tensor:
    """Sampled at the middles of the pixels, so that none is zero."""
    from_border = (torch.arange(size, dtype=torch.float64) + 0.5) / size
    from_border = torch.minimum(from_border, 1 - from_border)
    if taper == 0:
        return torch.ones_like(from_border)
    return torch.sin(math.pi / taper * from_border.clamp(max=taper / 2)).square()


def fourier_ring_correlation(
    sr: Tensor,
    hr: Tensor,
    *,
    visible: Tensor | None = None,
    taper: float = 1.0,
    pixel_size: Sequence[float] | None = None,
) -> RingCurve:
    """Correlate two images over rings of equal frequency, or over shells in 3D, the mean over channels.

    ``Re Σ F G* / sqrt(Σ|F|² Σ|G|²)`` over each ring (Saxton & Baumeister 1982; Harauz & van Heel 1986 for shells).
    Both are ``(B, C, *S)`` of at least 8 pixels a side; `visible` is ``(B, 1, *S)``, see `apodised`. A ring is as wide
    as the frequencies lie apart along the shortest side. With `pixel_size` they are in cycles per its unit, up to
    Nyquist of the finest axis: beyond a coarser axis' Nyquist a ring holds those coefficients that exist. A channel
    that is constant in HR is left out.
    """
    size = tuple(sr.shape[2:])
    if min(size) < _SMALLEST:
        raise Mistake(
            f"ring correlation needs at least {_SMALLEST} pixels along each axis; got {size}. Compare larger images."
        )
    rings, width, last = _rings(size, tuple(pixel_size or (1.0,) * len(size)))
    rings = rings.to(sr.device)
    axes = tuple(range(2, sr.ndim))
    f, g = (
        torch.fft.fftn(apodised(image, visible=visible, taper=taper), dim=axes).flatten(2)
        for image in (sr, hr)
    )
    shared, sr_power, hr_power = (
        torch.zeros(*f.shape[:2], last + 2, dtype=values.dtype, device=f.device).index_add_(
            2, rings, values
        )
        for values in ((f * g.conj()).real, f.abs().square(), g.abs().square())
    )
    # two roots: the product of two powers of 0-10000 images may overflow float32
    norm = sr_power.sqrt() * hr_power.sqrt()
    correlation = torch.where(norm > 0, shared / norm.clamp(min=torch.finfo(norm.dtype).tiny), 0.0)
    correlation = torch.where(structured(hr, visible)[..., None], correlation, torch.nan).nanmean(1)
    count = torch.bincount(rings, minlength=last + 2)
    frequency = width * torch.arange(1, last + 1, dtype=f.real.dtype, device=f.device)
    return RingCurve(frequency, correlation[:, 1:-1], count[1:-1])


def _rings(size: tuple[int, ...], pixel_size: tuple[float, ...]) -> tuple[Tensor, float, int]:
    """The ring of each Fourier coefficient, flat, those beyond the last in one more; a ring's width; the last ring."""
    if len(pixel_size) != len(size) or min(pixel_size) <= 0:
        raise Mistake(
            f"pixel_size is {pixel_size} for {len(size)} axes; give a positive size for each axis."
        )
    steps = [
        torch.fft.fftfreq(n, d, dtype=torch.float64) for n, d in zip(size, pixel_size, strict=True)
    ]
    radius = torch.stack(torch.meshgrid(*steps, indexing="ij")).square().sum(0).sqrt().flatten()
    width = max(1 / (n * d) for n, d in zip(size, pixel_size, strict=True))
    # the ring that reaches Nyquist by its middle is the last
    last = math.floor(0.5 / min(pixel_size) / width * (1 + 1e-9))
    return (radius / width).round().long().clamp(max=last + 1), width, last


def structured(image: Tensor, visible: Tensor | None = None) -> Tensor:
    """Whether a channel of ``(B, C, *S)`` holds more than one value, rounding errors apart, ``(B, C)``."""
    low, high = (
        (image, image)
        if visible is None
        else (torch.where(visible, image, end) for end in (torch.inf, -torch.inf))
    )
    low, high = low.flatten(2).amin(2), high.flatten(2).amax(2)
    return high - low > _ROUNDING * torch.maximum(high.abs(), low.abs())


def cutoff(curve: RingCurve, threshold: Threshold) -> Tensor:
    """The frequency at which the correlation first falls below the threshold, ``(B,)``, in the curve's unit.

    Linear between rings, from a correlation of 1 at frequency zero; the last ring's where it never falls.
    ``"half_bit"`` is half a bit of information a coefficient (van Heel & Schatz 2005, eq. 17), with the ring's
    coefficients all counted as independent.
    """
    limit = (
        torch.full_like(curve.frequency, threshold)
        if threshold != "half_bit"
        else half_bit(curve.count)
    )
    above = curve.correlation - limit.to(curve.correlation)
    above = torch.cat([(1 - limit[:1]).to(above).expand(len(above), 1), above], dim=1)
    frequency = torch.cat([torch.zeros_like(curve.frequency[:1]), curve.frequency])
    below = above < 0
    after = torch.where(below.any(1), below.int().argmax(1), above.shape[1] - 1).clamp(min=1)[
        :, None
    ]
    before = after - 1
    start, end = above.gather(1, before), above.gather(1, after)
    share = torch.where(
        end < 0, start / (start - end).clamp(min=torch.finfo(start.dtype).tiny), 1.0
    )
    found = (frequency[before] + share * (frequency[after] - frequency[before]))[:, 0]
    return torch.where(curve.correlation.isnan().any(1), torch.nan, found)


def half_bit(count: Tensor) -> Tensor:
    """The half-bit threshold of rings of `count` coefficients (van Heel & Schatz 2005, eq. 17)."""
    noise = count.float().clamp(min=1).rsqrt()
    return (0.2071 + 1.9102 * noise) / (1.2071 + 0.9102 * noise)


class FourierRingCorrelation:
    """The finest detail that SR shares with HR, as the period at which their Fourier ring correlation is lost.

    Saxton & Baumeister (1982), thresholds of van Heel & Schatz (2005): ``pixels``, in HR pixels of the finest axis,
    is 2 where all is right up to Nyquist and grows where detail is absent, wrong or drowned in noise. Contrast does
    not count: a blur that no noise follows costs nothing, which `SlantedEdge` sees. ``physical``, in the unit of the
    pixel size, is there when that is known, and then frequencies are physical, so that voxels may be longer one way.
    `threshold` is 0.143 = 1/7 (the custom), ``"half_bit"``, or another number; `taper` is the share of each axis that
    is faded out towards the borders (1 is Hann's window). Hidden pixels count as the mean of the visible ones. NaN
    where HR shows nothing or one value only; where nothing agrees the period exceeds the image.
    """

    higher_is_better = False

    def __init__(self, *, threshold: Threshold = 0.143, taper: float = 1.0) -> None:
        if threshold != "half_bit" and not (
            isinstance(threshold, int | float) and 0 < threshold < 1
        ):
            raise Mistake(
                f"threshold is {threshold!r}; give a correlation between 0 and 1, or half_bit."
            )
        self.threshold = threshold
        self.taper = taper

    def __call__(self, sr: Tensor, hr: Tensor, view: View) -> dict[str, Tensor]:
        """Compare SR with HR, both ``(B, C, *S)``: periods ``pixels`` and perhaps ``physical``, each ``(B,)``."""
        size = view.pixel_size
        curve = fourier_ring_correlation(
            sr, hr, visible=view.valid, taper=self.taper, pixel_size=size
        )
        period = 1 / cutoff(curve, self.threshold)
        return (
            {"pixels": period}
            if size is None
            else {"pixels": period / min(size), "physical": period}
        )
