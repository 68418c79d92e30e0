"""Consistency metrics, which compare degraded SR with LR and do not use HR."""

from __future__ import annotations

import torch
from torch import Tensor

from srlab.metrics.protocol import ScoringContext
from srlab.metrics.resolution import apodised, structured
from srlab.metrics.spectral import degrees_between
from srlab.mistakes import Mistake
from srlab.nn.masks import without_hidden


def _degraded(sr: Tensor, context: ScoringContext) -> tuple[Tensor, Tensor]:
    """Degrade SR to ``(B, C, *S)``, and return it with a mask ``(B, 1, *S)``.

    The mask is true for LR pixels that no hidden HR pixel affects.
    """
    degraded = context.degrade(without_hidden(sr, context.valid))
    if degraded.shape != context.lr.shape:
        raise Mistake(
            f"SR degrades to {tuple(degraded.shape)} but LR is {tuple(context.lr.shape)}: "
            "consistency needs a degradation that leads from SR to LR, channel by channel. Leave "
            "this metric out where LR has other channels."
        )
    if context.valid is None:
        return degraded, torch.ones_like(degraded[:, :1], dtype=torch.bool)
    # A NaN in a hidden pixel marks every LR pixel that it affects, for any degradation.
    marked = torch.where(context.valid, 0.0, torch.nan).to(sr).expand_as(sr)
    affected = context.degrade(marked).isnan().any(1, keepdim=True)
    hidden = ~context.valid
    for axis, factor in enumerate(context.scale, start=2):
        hidden = hidden.unfold(axis, factor, factor).any(-1)
    return degraded, ~(affected | hidden)


def _visible_mean(values: Tensor, visible: Tensor) -> Tensor:
    """Average each image of ``(B, C, *S)`` over its visible pixels, ``(B,)``; NaN without any."""
    return torch.where(visible, values, torch.nan).flatten(1).nanmean(1)


class ReflectanceConsistency:
    """Mean absolute difference between degraded SR and LR (Aybar et al. 2024, reflectance).

    SR ``(B, C, *S·scale)`` is compared with LR ``(B, C, *S)`` in physical units, which gives
    ``(B,)``. An LR pixel counts if no HR pixel under it is hidden, and no hidden pixel affects it
    through the degradation.

    Raises a `Mistake` if degraded SR and LR have different shapes.
    """

    higher_is_better = False

    def __call__(self, sr: Tensor, hr: Tensor, context: ScoringContext) -> Tensor:
        """Return the mean difference of each image, ``(B,)``; HR is not used."""
        degraded, visible = _degraded(sr, context)
        return _visible_mean((degraded - context.lr).abs(), visible)


class SpectralConsistency:
    """Mean angle between the spectra of degraded SR and LR (Aybar et al. 2024, spectral).

    SR ``(B, C, *S·scale)`` and LR ``(B, C, *S)`` with ``C >= 2`` give ``(B,)``, in degrees. The
    angle counts as zero where one of the two spectra is zero. LR pixels count as in
    `ReflectanceConsistency`.

    Raises a `Mistake` for a single channel, or if degraded SR and LR have different shapes.
    """

    higher_is_better = False
    unit = "degrees"

    def __call__(self, sr: Tensor, hr: Tensor, context: ScoringContext) -> Tensor:
        """Return the mean angle of each image, ``(B,)``; HR is not used."""
        degraded, visible = _degraded(sr, context)
        angles = degrees_between(degraded, context.lr)
        return _visible_mean(angles, visible).to(sr.dtype)


class SpatialConsistency:
    """Length of the shift between degraded SR and LR (Aybar et al. 2024, spatial).

    SR ``(B, C, *S·scale)`` and LR ``(B, C, *S)`` give ``(B,)``, in LR pixels. The shift is found by
    phase correlation (see `phase_shift`), to a precision of ``1 / upsampling`` pixels. Before,
    images are faded out towards their borders.

    LR pixels count as in `ReflectanceConsistency`. The others are replaced in each image by the
    mean of the pixels that count. The value is NaN if no channel varies in both images.

    Raises a `Mistake` if `upsampling` is below 1, or degraded SR and LR have different shapes.
    """

    higher_is_better = False
    unit = "LR pixels"

    def __init__(self, *, upsampling: int = 100) -> None:
        if upsampling < 1:
            raise Mistake(
                f"upsampling is {upsampling}; give 1 for whole pixels, 100 for hundredths."
            )
        self.upsampling = upsampling

    def __call__(self, sr: Tensor, hr: Tensor, context: ScoringContext) -> Tensor:
        """Return the length of the shift of each image, ``(B,)``; HR is not used."""
        degraded, visible = _degraded(sr, context)
        faded = apodised(degraded, visible=visible)
        faded_lr = apodised(context.lr, visible=visible)
        length = phase_shift(faded, faded_lr, upsampling=self.upsampling).norm(dim=1)
        measurable = structured(degraded, visible) & structured(context.lr, visible)
        return torch.where(measurable.any(1), length, torch.nan)


def phase_shift(image: Tensor, reference: Tensor, *, upsampling: int = 100) -> Tensor:
    """Return the shift of `image` against `reference` along each axis, in pixels, ``(B, axes)``.

    Both images are ``(B, C, *S)`` with Fourier transforms F and G, and count as periodic. The shift
    is the place at which the inverse transform of ``F G* / sqrt(|F G*|)`` is largest. It is found
    first in whole pixels, and then at ever finer steps, by sums over all frequencies
    (Guizar-Sicairos et al. 2008, matrix-multiply DFT).

    The products F G* of the channels are added. The shift is NaN if no channel varies in both
    images.
    """
    cross_power = (_spectrum(image) * _spectrum(reference).conj()).sum(1)
    strength = cross_power.abs()
    # A division by the strength itself would give noise and aliases as much weight as the signal.
    least = torch.finfo(strength.dtype).tiny
    whitened = cross_power / strength.sqrt().clamp(min=least)

    shift = _whole_shift(whitened)
    step = 1.0
    while step > 1 / upsampling:
        step = max(step / 4, 1 / upsampling)
        shift = _refined(whitened, shift, step)
    measurable = (structured(image) & structured(reference)).any(1, keepdim=True)
    return torch.where(measurable, shift, torch.nan)


def _spectrum(image: Tensor) -> Tensor:
    """Return the Fourier transform of ``(B, C, *S)``, after subtraction of each channel's mean."""
    axes = tuple(range(2, image.ndim))
    centred = image - image.mean(axes, keepdim=True)
    spectrum: Tensor = torch.fft.fftn(centred, dim=axes)
    return spectrum


def _whole_shift(whitened: Tensor) -> Tensor:
    """Return the peak of the correlation in whole pixels, ``(B, axes)``."""
    axes = tuple(range(1, whitened.ndim))
    correlation = torch.fft.ifftn(whitened, dim=axes).real
    peak = _highest(correlation)
    size = torch.tensor(correlation.shape[1:], device=peak.device)
    # Images count as periodic, so a shift by more than half the size is a shift the other way.
    return torch.where(peak > (size - 1) // 2, peak - size, peak).to(correlation)


def _refined(whitened: Tensor, shift: Tensor, step: float) -> Tensor:
    """Return the place of the highest correlation, up to four steps from `shift` on each axis."""
    offsets = step * torch.arange(-4, 5, device=shift.device, dtype=shift.dtype)
    correlation = whitened
    for axis, size in enumerate(whitened.shape[1:]):
        frequency = torch.fft.fftfreq(size, device=shift.device, dtype=shift.dtype)
        places = shift[:, axis, None] + offsets
        waves = torch.exp(2j * torch.pi * places[..., None] * frequency)
        # The sum over the frequencies n of one axis leaves its nine places p as the last axis.
        correlation = torch.einsum("bpn,bn...->b...p", waves.to(correlation), correlation)
    return shift + offsets[_highest(correlation.real)]


def _highest(values: Tensor) -> Tensor:
    """Return the position of the largest of the values ``(B, *S)`` on each axis, ``(B, axes)``."""
    flat_position = values.flatten(1).argmax(1)
    positions = torch.unravel_index(flat_position, values.shape[1:])
    return torch.stack(positions, 1)
