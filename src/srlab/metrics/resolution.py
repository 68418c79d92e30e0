"""The true resolution of an image, whatever its number of pixels: Fourier ring correlation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from srlab.metrics.lengths import lengths
from srlab.metrics.protocol import ScoringContext
from srlab.mistakes import Mistake
from srlab.nn.masks import without_hidden

_SMALLEST = 8
"""Fewer pixels along an axis leave less than four rings."""

_ROUNDING = 1e-5
"""A span below this share of the largest value is that of one value, resampled in float32."""

Threshold = float | Literal["half_bit"]


@dataclass(frozen=True)
class RingCurve:
    """The correlation of two images, ring by ring."""

    frequency: Tensor
    """Middles of the rings ``(R,)``, rising from above zero to Nyquist.

    In cycles per pixel, or per unit of the pixel size.
    """

    correlation: Tensor
    """``(B, R)``, from -1 to 1; NaN for an image with nothing to compare."""

    count: Tensor
    """Fourier coefficients in each ring, ``(R,)``."""


def apodised(image: Tensor, *, visible: Tensor | None = None, taper: float = 1.0) -> Tensor:
    """Subtract each channel's mean over visible pixels, and fade it out towards the borders.

    ``(B, C, *S)`` to the same. Hidden pixels get the mean, which is zero afterwards. `taper` is the
    faded share of an axis (Tukey 1967): 1 is Hann's window, 0 none.
    """
    check_taper(taper)
    if image.dtype != torch.float64:
        image = image.float()
    axes = tuple(range(2, image.ndim))
    if visible is None:
        image = image - image.mean(axes, keepdim=True)
    else:
        count = visible.sum(axes, keepdim=True).clamp(min=1)
        mean = without_hidden(image, visible).sum(axes, keepdim=True) / count
        image = without_hidden(image - mean, visible)
    for axis in axes:
        shape = [1] * image.ndim
        shape[axis] = image.shape[axis]
        image = image * _tukey(image.shape[axis], taper).to(image).view(shape)
    return image


def check_taper(taper: float) -> None:
    """Raise a `Mistake` unless `taper` is a share."""
    if not 0 <= taper <= 1:
        raise Mistake(f"taper is {taper}; give a share from 0 (no window) to 1 (Hann's).")


def _tukey(size: int, taper: float) -> Tensor:
    """Tukey's window, sampled at the middles of the pixels, so that none is zero."""
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
    """Correlate two images over rings of equal frequency, or over shells in 3D.

    Over each ring it is ``Re Σ F G* / sqrt(Σ|F|² Σ|G|²)`` (Saxton & Baumeister 1982; for shells
    Harauz & van Heel 1986). Channels are averaged; one that is constant in HR is left out.

    Both images are ``(B, C, *S)`` of at least 8 pixels a side. `visible` is ``(B, 1, *S)``; see
    `apodised` for it and for `taper`.

    A ring is as wide as the frequencies lie apart along the shortest side. With `pixel_size`
    frequencies are in cycles per its unit, up to Nyquist of the finest axis. Beyond a coarser axis'
    Nyquist a ring holds those coefficients that exist.
    """
    size = tuple(sr.shape[2:])
    if min(size) < _SMALLEST:
        raise Mistake(
            f"ring correlation needs at least {_SMALLEST} pixels along each axis; got {size}. "
            "Compare larger images."
        )
    rings, width, last = rings_of(size, pixel_size)
    rings = rings.to(sr.device)
    f, g = (_spectrum(image, visible, taper) for image in (sr, hr))

    def ring_sums(values: Tensor) -> Tensor:
        empty = torch.zeros(*f.shape[:2], last + 2, dtype=values.dtype, device=f.device)
        return empty.index_add_(2, rings, values)

    shared = ring_sums((f * g.conj()).real)
    # Two roots: the product of the powers of two 0–10000 images may overflow float32.
    norm = ring_sums(f.abs().square()).sqrt() * ring_sums(g.abs().square()).sqrt()
    correlation = torch.where(norm > 0, shared / norm.clamp(min=torch.finfo(norm.dtype).tiny), 0.0)
    correlation = torch.where(structured(hr, visible)[..., None], correlation, torch.nan).nanmean(1)
    count = torch.bincount(rings, minlength=last + 2)
    frequency = width * torch.arange(1, last + 1, dtype=f.real.dtype, device=f.device)
    return RingCurve(frequency, correlation[:, 1:-1], count[1:-1])


def _spectrum(image: Tensor, visible: Tensor | None, taper: float) -> Tensor:
    """Fourier coefficients ``(B, C, frequencies)`` of a faded image."""
    image = apodised(image, visible=visible, taper=taper)
    spectrum: Tensor = torch.fft.fftn(image, dim=tuple(range(2, image.ndim)))
    return spectrum.flatten(2)


def rings_of(
    size: Sequence[int], pixel_size: Sequence[float] | None = None
) -> tuple[Tensor, float, int]:
    """The ring of each Fourier coefficient, flat; a ring's width; the number of the last ring.

    Coefficients beyond the last ring share one more.
    """
    pixel_size = tuple(pixel_size or (1.0,) * len(size))
    if len(pixel_size) != len(size) or min(pixel_size) <= 0:
        raise Mistake(
            f"pixel_size is {pixel_size} for {len(size)} axes; give a positive size for each axis."
        )
    width = max(1 / (n * d) for n, d in zip(size, pixel_size, strict=True))
    # The last ring is that which reaches Nyquist by its middle.
    last = math.floor(0.5 / min(pixel_size) / width * (1 + 1e-9))
    ring = (_radii(size, pixel_size) * (1 / width)).round().long()
    return ring.clamp(max=last + 1), width, last


def _radii(size: Sequence[int], pixel_size: Sequence[float]) -> Tensor:
    """Length of the frequency of each Fourier coefficient, flat, in cycles per unit of a pixel."""
    sizes = zip(size, pixel_size, strict=True)
    steps = [torch.fft.fftfreq(n, d, dtype=torch.float64) for n, d in sizes]
    return torch.stack(torch.meshgrid(*steps, indexing="ij")).square().sum(0).sqrt().flatten()


def structured(image: Tensor, visible: Tensor | None = None) -> Tensor:
    """Whether a channel of ``(B, C, *S)`` holds more than one value, rounding apart: ``(B, C)``."""
    low = high = image
    if visible is not None:
        low = torch.where(visible, image, torch.inf)
        high = torch.where(visible, image, -torch.inf)
    low, high = low.flatten(2).amin(2), high.flatten(2).amax(2)
    return high - low > _ROUNDING * torch.maximum(high.abs(), low.abs())


def cutoff(curve: RingCurve, threshold: Threshold) -> Tensor:
    """The frequency at which the correlation first falls below the threshold, ``(B,)``.

    It is in the curve's unit, and linear between rings from a correlation of 1 at frequency zero.
    Where the correlation never falls it is the last ring's.

    ``"half_bit"`` is half a bit of information a coefficient (van Heel & Schatz 2005, eq. 17), with
    the ring's coefficients all counted as independent.
    """
    limit = half_bit(curve.count)
    if threshold != "half_bit":
        limit = torch.full_like(curve.frequency, threshold)
    above = curve.correlation - limit.to(curve.correlation)
    above = torch.cat([(1 - limit[:1]).to(above).expand(len(above), 1), above], dim=1)
    frequency = torch.cat([torch.zeros_like(curve.frequency[:1]), curve.frequency])
    return first_below_zero(above, frequency)


def first_below_zero(values: Tensor, frequency: Tensor) -> Tensor:
    """The frequency ``(F,)`` at which the values ``(N, F)`` first fall below zero: ``(N,)``.

    It is linear between frequencies, the last one where the values never fall, and NaN where one
    of the values is.
    """
    below = values < 0
    after = torch.where(below.any(1), below.int().argmax(1), values.shape[1] - 1)
    after = after.clamp(min=1)[:, None]
    before = after - 1
    start, end = values.gather(1, before), values.gather(1, after)
    drop = (start - end).clamp(min=torch.finfo(start.dtype).tiny)
    share = torch.where(end < 0, start / drop, 1.0)
    found = (frequency[before] + share * (frequency[after] - frequency[before]))[:, 0]
    return torch.where(values.isnan().any(1), torch.nan, found)


def half_bit(count: Tensor) -> Tensor:
    """The half-bit threshold of rings of `count` coefficients (van Heel & Schatz 2005, eq. 17)."""
    noise = count.float().clamp(min=1).rsqrt()
    return (0.2071 + 1.9102 * noise) / (1.2071 + 0.9102 * noise)


class FourierRingCorrelation:
    """The period of the finest detail that SR shares with HR (Saxton & Baumeister 1982).

    It is the period at which their Fourier ring correlation is lost. ``pixels`` is in HR pixels of
    the finest axis. It is 2 where all is right up to Nyquist, and more where detail is absent,
    wrong or drowned in noise. Where the pixels' size is known, the period has a second name by its
    unit, such as ``mm``. Then frequencies are physical, too, so that voxels may be longer one way.

    Contrast does not count: a blur without noise after it costs nothing. `SlantedEdge` sees that.

    `threshold` is 0.143 = 1/7 (the custom), ``"half_bit"`` (van Heel & Schatz 2005), or another
    number. `taper` is the share of each axis that is faded out towards the borders; 1 is Hann's
    window.

    Hidden pixels count as the mean of the visible ones. NaN where HR shows nothing or one value
    only. Where nothing agrees the period exceeds the image.
    """

    higher_is_better = False

    def __init__(self, *, threshold: Threshold = 0.143, taper: float = 1.0) -> None:
        number = isinstance(threshold, int | float) and 0 < threshold < 1
        if not (number or threshold == "half_bit"):
            raise Mistake(
                f"threshold is {threshold!r}; give a correlation between 0 and 1, or half_bit."
            )
        check_taper(taper)
        self.threshold = threshold
        self.taper = taper

    def __call__(self, sr: Tensor, hr: Tensor, context: ScoringContext) -> dict[str, Tensor]:
        """Compare SR with HR, both ``(B, C, *S)``: the periods, each ``(B,)``."""
        known = lengths(context.axes)
        size = None if known is None else known.pixel
        curve = fourier_ring_correlation(
            sr, hr, visible=context.valid, taper=self.taper, pixel_size=size
        )
        period = 1 / cutoff(curve, self.threshold)
        if known is None:
            return {"pixels": period}
        return {"pixels": period / min(known.pixel), known.unit: period}
