"""Fourier ring correlation, which finds the finest detail that two images share."""

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
"""The largest span of values, as a share of the largest value, that counts as rounding."""

Threshold = float | Literal["half_bit"]


@dataclass(frozen=True)
class RingCurve:
    """The correlation of two images in rings of equal frequency."""

    frequency: Tensor
    """The middle frequency of each ring, ``(R,)``, in rising order up to the Nyquist frequency.

    Frequencies are in cycles per pixel, or per unit of the pixel size if that is given.
    """

    correlation: Tensor
    """The correlation in each ring, ``(B, R)``, from -1 to 1; NaN if nothing can be compared."""

    count: Tensor
    """The number of Fourier coefficients in each ring, ``(R,)``."""


def apodised(image: Tensor, *, visible: Tensor | None = None, taper: float = 1.0) -> Tensor:
    """Subtract each channel's mean over visible pixels, and fade the image out towards its borders.

    Images are ``(B, C, *S)`` and `visible` is ``(B, 1, *S)``. Hidden pixels become zero, which is
    the mean of the result. The image is multiplied by a Tukey window along each axis (Tukey 1967).
    `taper` is the share of the axis in which the window is below 1. It makes a Hann window if it is
    1, and no window if it is 0.
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
        size = image.shape[axis]
        shape = [1] * image.ndim
        shape[axis] = size
        window = _tukey(size, taper).to(image).view(shape)
        image = image * window
    return image


def check_taper(taper: float) -> None:
    """Raise a `Mistake` unless `taper` is in 0–1."""
    if not 0 <= taper <= 1:
        raise Mistake(f"taper is {taper}; give a share from 0 (no window) to 1 (Hann's).")


def _tukey(size: int, taper: float) -> Tensor:
    """Return Tukey's window ``(size,)``, sampled at the middles of pixels, where it is not zero."""
    place = (torch.arange(size, dtype=torch.float64) + 0.5) / size
    from_border = torch.minimum(place, 1 - place)
    if taper == 0:
        return torch.ones_like(from_border)
    faded = from_border.clamp(max=taper / 2)
    return torch.sin(math.pi / taper * faded).square()


def fourier_ring_correlation(
    sr: Tensor,
    hr: Tensor,
    *,
    visible: Tensor | None = None,
    taper: float = 1.0,
    pixel_size: Sequence[float] | None = None,
) -> RingCurve:
    """Correlate two images in rings of equal frequency, which are shells for volumes.

    Both images are ``(B, C, *S)``, with Fourier transforms F and G. The correlation of a ring is
    ``Re Σ F G* / sqrt(Σ|F|² Σ|G|²)`` (Saxton & Baumeister 1982; for shells Harauz & van Heel 1986).
    It is averaged over the channels, without those that are constant in HR. `visible` and `taper`
    are as in `apodised`.

    The width of a ring is the distance between two frequencies along the shortest side. If
    `pixel_size` is given, frequencies are in cycles per unit of it. They extend to the Nyquist
    frequency of the finest axis. Rings beyond the Nyquist frequency of a coarser axis hold fewer
    coefficients.

    Raises a `Mistake` for images of fewer than 8 pixels along an axis.
    """
    size = tuple(sr.shape[2:])
    if min(size) < _SMALLEST:
        raise Mistake(
            f"ring correlation needs at least {_SMALLEST} pixels along each axis; got {size}. "
            "Compare larger images."
        )
    rings, width, last = rings_of(size, pixel_size)
    rings = rings.to(sr.device)
    f = _spectrum(sr, visible, taper)
    g = _spectrum(hr, visible, taper)

    def ring_sums(values: Tensor) -> Tensor:
        zeros = torch.zeros(*f.shape[:2], last + 2, dtype=values.dtype, device=f.device)
        return zeros.index_add_(2, rings, values)

    shared = ring_sums((f * g.conj()).real)
    # The root is taken of each factor, since the product of two powers may overflow float32.
    f_norm = ring_sums(f.abs().square()).sqrt()
    g_norm = ring_sums(g.abs().square()).sqrt()
    norm = f_norm * g_norm
    least = torch.finfo(norm.dtype).tiny
    by_channel = torch.where(norm > 0, shared / norm.clamp(min=least), 0.0)
    varies = structured(hr, visible)[..., None]
    correlation = torch.where(varies, by_channel, torch.nan).nanmean(1)

    # The first ring is the mean, and the last one holds all higher frequencies.
    count = torch.bincount(rings, minlength=last + 2)
    frequency = width * torch.arange(1, last + 1, dtype=f.real.dtype, device=f.device)
    return RingCurve(frequency, correlation[:, 1:-1], count[1:-1])


def _spectrum(image: Tensor, visible: Tensor | None, taper: float) -> Tensor:
    """Return the Fourier coefficients ``(B, C, frequencies)`` of a faded image."""
    image = apodised(image, visible=visible, taper=taper)
    spectrum: Tensor = torch.fft.fftn(image, dim=tuple(range(2, image.ndim)))
    return spectrum.flatten(2)


def rings_of(
    size: Sequence[int], pixel_size: Sequence[float] | None = None
) -> tuple[Tensor, float, int]:
    """Return the ring of each Fourier coefficient, the width of a ring, and the last ring.

    The rings are numbers from 0, in a flat tensor. Coefficients beyond the last ring are in one
    further ring. The width is in cycles per pixel, or per unit of `pixel_size`.

    Raises a `Mistake` unless `pixel_size` has a positive size for each axis.
    """
    pixel_size = tuple(pixel_size or (1.0,) * len(size))
    if len(pixel_size) != len(size) or min(pixel_size) <= 0:
        raise Mistake(
            f"pixel_size is {pixel_size} for {len(size)} axes; give a positive size for each axis."
        )
    width = max(1 / (count * length) for count, length in zip(size, pixel_size, strict=True))
    # The middle of the last ring does not exceed the Nyquist frequency, but for rounding.
    nyquist = 0.5 / min(pixel_size)
    last = math.floor(nyquist / width * (1 + 1e-9))
    ring = (_radii(size, pixel_size) * (1 / width)).round().long()
    return ring.clamp(max=last + 1), width, last


def _radii(size: Sequence[int], pixel_size: Sequence[float]) -> Tensor:
    """Return the absolute frequency of each Fourier coefficient, flat, in cycles per unit."""
    frequencies = []
    for count, length in zip(size, pixel_size, strict=True):
        frequencies.append(torch.fft.fftfreq(count, length, dtype=torch.float64))
    grid = torch.stack(torch.meshgrid(*frequencies, indexing="ij"))
    return grid.square().sum(0).sqrt().flatten()


def structured(image: Tensor, visible: Tensor | None = None) -> Tensor:
    """Return whether each channel of ``(B, C, *S)`` varies by more than rounding: ``(B, C)``."""
    low = high = image
    if visible is not None:
        low = torch.where(visible, image, torch.inf)
        high = torch.where(visible, image, -torch.inf)
    lowest = low.flatten(2).amin(2)
    highest = high.flatten(2).amax(2)
    largest = torch.maximum(highest.abs(), lowest.abs())
    return highest - lowest > _ROUNDING * largest


def cutoff(curve: RingCurve, threshold: Threshold) -> Tensor:
    """Return the frequency at which the correlation first falls below the threshold, ``(B,)``.

    It is in the curve's unit. The correlation is 1 at frequency zero, and is interpolated linearly
    between the rings. If it never falls below the threshold, the result is the frequency of the
    last ring.

    The threshold ``"half_bit"`` is the correlation at half a bit of information in each coefficient
    (van Heel & Schatz 2005, eq. 17). All coefficients of a ring count as independent.
    """
    limit = half_bit(curve.count)
    if threshold != "half_bit":
        limit = torch.full_like(curve.frequency, threshold)
    excess = curve.correlation - limit.to(curve.correlation)
    excess_at_zero = (1 - limit[:1]).to(excess).expand(len(excess), 1)
    excess = torch.cat([excess_at_zero, excess], dim=1)
    frequency = torch.cat([torch.zeros_like(curve.frequency[:1]), curve.frequency])
    return first_below_zero(excess, frequency)


def first_below_zero(values: Tensor, frequency: Tensor) -> Tensor:
    """Return the frequency at which each curve first falls below zero, ``(N,)``.

    The curves have the `values` ``(N, F)`` at each `frequency` ``(F,)``, and are interpolated
    linearly. The result is the last frequency if a curve never falls below zero. It is NaN if any
    value of the curve is NaN.
    """
    below = values < 0
    after = torch.where(below.any(1), below.int().argmax(1), values.shape[1] - 1)
    after = after.clamp(min=1)[:, None]
    before = after - 1

    start = values.gather(1, before)
    end = values.gather(1, after)
    least = torch.finfo(start.dtype).tiny
    drop = (start - end).clamp(min=least)
    share = torch.where(end < 0, start / drop, 1.0)
    found = frequency[before] + share * (frequency[after] - frequency[before])
    return torch.where(values.isnan().any(1), torch.nan, found[:, 0])


def half_bit(count: Tensor) -> Tensor:
    """Return the half-bit threshold of rings of `count` coefficients (van Heel & Schatz 2005)."""
    inverse_root = count.float().clamp(min=1).rsqrt()
    return (0.2071 + 1.9102 * inverse_root) / (1.2071 + 0.9102 * inverse_root)


class FourierRingCorrelation:
    """Period of the finest detail that SR shares with HR (Saxton & Baumeister 1982).

    The period is the inverse of the frequency at which the Fourier ring correlation of SR and HR
    falls below the `threshold` (see `fourier_ring_correlation`). A smaller period is better. The
    score ``pixels`` is the period in HR pixels of the finest axis, ``(B,)``. It is 2 if SR agrees
    with HR up to the Nyquist frequency. It is larger if detail is absent, wrong or noisy. If the
    size of pixels is known, the period is also given in its unit, under a name such as ``mm``.
    Frequencies are then physical, so voxels need not be cubes.

    The correlation does not depend on contrast, so it does not notice a blur without noise.
    `SlantedEdge` does.

    `threshold` is a correlation in (0, 1), usually 0.143, or ``"half_bit"`` (van Heel & Schatz
    2005). `taper` is the share of each axis that is faded out towards the borders (see `apodised`).

    Hidden pixels are set to the mean of the visible ones. The score is NaN if HR is constant or
    hidden. It exceeds the size of the image if SR and HR agree at no frequency.

    Raises a `Mistake` for images of fewer than 8 pixels along an axis, or arguments out of range.
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
        """Return the period for each image of a batch ``(B, C, *S)``, by its unit."""
        known = lengths(context.axes)
        size = None if known is None else known.pixel
        curve = fourier_ring_correlation(
            sr, hr, visible=context.valid, taper=self.taper, pixel_size=size
        )
        period = 1 / cutoff(curve, self.threshold)
        if known is None:
            return {"pixels": period}
        return {"pixels": period / min(known.pixel), known.unit: period}
