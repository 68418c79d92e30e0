"""Fourier ring correlation: the resolution of an image, independent of its number of pixels."""

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
"""The smallest number of pixels along an axis, which gives four rings."""

_ROUNDING = 1e-5
"""The largest span, as a share of the largest value, that float32 rounding may cause."""

Threshold = float | Literal["half_bit"]


@dataclass(frozen=True)
class RingCurve:
    """The correlation of two images in rings of equal frequency."""

    frequency: Tensor
    """The middle frequencies of the rings, ``(R,)``, rising up to Nyquist.

    They are in cycles per pixel, or per unit of the pixel size.
    """

    correlation: Tensor
    """``(B, R)``, from -1 to 1; NaN for an image with nothing to compare."""

    count: Tensor
    """The number of Fourier coefficients in each ring, ``(R,)``."""


def apodised(image: Tensor, *, visible: Tensor | None = None, taper: float = 1.0) -> Tensor:
    """Subtract each channel's mean over visible pixels, and apply a Tukey window: ``(B, C, *S)``.

    Hidden pixels become zero, which is the mean afterwards. `taper` is the faded share of each axis
    (Tukey 1967): 1 gives a Hann window, 0 none.
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
    """Correlate two images in rings of equal frequency, or in shells in 3D.

    The correlation of a ring is ``Re Σ F G* / sqrt(Σ|F|² Σ|G|²)`` (Saxton & Baumeister 1982; for
    shells Harauz & van Heel 1986). Channels are averaged, without those that are constant in HR.

    Both images are ``(B, C, *S)`` of at least 8 pixels a side. `visible` is ``(B, 1, *S)``; see
    `apodised` for it and for `taper`.

    The width of a ring is the spacing of frequencies along the shortest side. With `pixel_size`,
    frequencies are in cycles per its unit, up to the Nyquist frequency of the finest axis. Rings
    beyond the Nyquist frequency of a coarser axis hold fewer coefficients.
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
    # Two roots, since the product of the powers of two images of 0–10000 may overflow float32.
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
    """Return the ring of each Fourier coefficient (flat), the width of a ring, and the last ring.

    Coefficients beyond the last ring are in one further ring.
    """
    pixel_size = tuple(pixel_size or (1.0,) * len(size))
    if len(pixel_size) != len(size) or min(pixel_size) <= 0:
        raise Mistake(
            f"pixel_size is {pixel_size} for {len(size)} axes; give a positive size for each axis."
        )
    width = max(1 / (n * d) for n, d in zip(size, pixel_size, strict=True))
    # The last ring is the last one whose middle does not exceed Nyquist.
    last = math.floor(0.5 / min(pixel_size) / width * (1 + 1e-9))
    ring = (_radii(size, pixel_size) * (1 / width)).round().long()
    return ring.clamp(max=last + 1), width, last


def _radii(size: Sequence[int], pixel_size: Sequence[float]) -> Tensor:
    """Length of the frequency of each Fourier coefficient, flat, in cycles per unit of a pixel."""
    sizes = zip(size, pixel_size, strict=True)
    steps = [torch.fft.fftfreq(n, d, dtype=torch.float64) for n, d in sizes]
    return torch.stack(torch.meshgrid(*steps, indexing="ij")).square().sum(0).sqrt().flatten()


def structured(image: Tensor, visible: Tensor | None = None) -> Tensor:
    """Return ``(B, C)``: whether a channel of ``(B, C, *S)`` varies by more than rounding."""
    low = high = image
    if visible is not None:
        low = torch.where(visible, image, torch.inf)
        high = torch.where(visible, image, -torch.inf)
    low, high = low.flatten(2).amin(2), high.flatten(2).amax(2)
    return high - low > _ROUNDING * torch.maximum(high.abs(), low.abs())


def cutoff(curve: RingCurve, threshold: Threshold) -> Tensor:
    """Return the frequency at which the correlation first falls below the threshold, ``(B,)``.

    It is in the curve's unit. Between rings the correlation is interpolated linearly, from 1 at
    frequency zero. If it never falls below the threshold, the result is the last ring's frequency.

    ``"half_bit"`` is half a bit of information per coefficient (van Heel & Schatz 2005, eq. 17). It
    counts all coefficients of a ring as independent.
    """
    limit = half_bit(curve.count)
    if threshold != "half_bit":
        limit = torch.full_like(curve.frequency, threshold)
    above = curve.correlation - limit.to(curve.correlation)
    above = torch.cat([(1 - limit[:1]).to(above).expand(len(above), 1), above], dim=1)
    frequency = torch.cat([torch.zeros_like(curve.frequency[:1]), curve.frequency])
    return first_below_zero(above, frequency)


def first_below_zero(values: Tensor, frequency: Tensor) -> Tensor:
    """Return ``(N,)``: the frequency ``(F,)`` at which values ``(N, F)`` first fall below zero.

    Values are interpolated linearly. The result is the last frequency if they never fall below
    zero, and NaN if any of them is NaN.
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
    """Return the half-bit threshold of rings with `count` coefficients (van Heel & Schatz 2005)."""
    noise = count.float().clamp(min=1).rsqrt()
    return (0.2071 + 1.9102 * noise) / (1.2071 + 0.9102 * noise)


class FourierRingCorrelation:
    """The period of the finest detail that SR shares with HR (Saxton & Baumeister 1982).

    It is the period below which their Fourier ring correlation is lost. ``pixels`` is the period in
    HR pixels of the finest axis. It is 2 if SR is right up to Nyquist, and larger if detail is
    absent, wrong or noisy. If the size of pixels is known, the period is also given in its unit,
    under a name such as ``mm``. Frequencies are then physical, so voxels need not be cubes.

    The correlation does not depend on contrast, so it does not see blur without noise.
    `SlantedEdge` does.

    `threshold` is 0.143 (1/7, the usual one), ``"half_bit"`` (van Heel & Schatz 2005), or another
    number. `taper` is the share of each axis that is faded out towards the borders; 1 gives a Hann
    window.

    Hidden pixels are set to the mean of the visible ones. The value is NaN if HR is constant or
    hidden. It exceeds the size of the image if nothing agrees.
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
