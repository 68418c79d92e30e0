"""Consistency metrics: agreement of degraded SR with LR, without any use of HR."""

from __future__ import annotations

import torch
from torch import Tensor

from srlab.metrics.protocol import ScoringContext
from srlab.metrics.resolution import apodised, structured
from srlab.metrics.spectral import degrees_between
from srlab.mistakes import Mistake
from srlab.nn.masks import without_hidden


def _degraded(sr: Tensor, context: ScoringContext) -> tuple[Tensor, Tensor]:
    """Degraded SR ``(B, C, *S)``, and ``(B, 1, *S)`` where it comes from visible pixels alone."""
    degraded = context.degrade(without_hidden(sr, context.valid))
    if degraded.shape != context.lr.shape:
        raise Mistake(
            f"SR degrades to {tuple(degraded.shape)} but LR is {tuple(context.lr.shape)}: "
            "consistency needs a degradation that leads from SR to LR, channel by channel. Leave "
            "this metric out where LR has other channels."
        )
    if context.valid is None:
        return degraded, torch.ones_like(degraded[:, :1], dtype=torch.bool)
    # A NaN shows how far a hidden pixel reaches, whatever the degradation's kernel.
    marked = torch.where(context.valid, 0.0, torch.nan).to(sr).expand_as(sr)
    reached = context.degrade(marked).isnan().any(1, keepdim=True)
    hidden = ~context.valid
    for axis, factor in enumerate(context.scale, start=2):
        hidden = hidden.unfold(axis, factor, factor).any(-1)
    return degraded, ~(reached | hidden)


def _visible_mean(values: Tensor, visible: Tensor) -> Tensor:
    return torch.where(visible, values, torch.nan).flatten(1).nanmean(1)


class ReflectanceConsistency:
    """Mean absolute difference between degraded SR and LR (Aybar et al. 2024, reflectance).

    It is in physical units. An LR pixel counts if no HR pixel under it is hidden, and no hidden
    pixel affects it through the degradation.
    """

    higher_is_better = False

    def __call__(self, sr: Tensor, hr: Tensor, context: ScoringContext) -> Tensor:
        """Degrade SR ``(B, C, *S)`` and compare it with LR: ``(B,)``; HR is not looked at."""
        degraded, visible = _degraded(sr, context)
        return _visible_mean((degraded - context.lr).abs(), visible)


class SpectralConsistency:
    """Mean angle between the spectra of degraded SR and LR (Aybar et al. 2024, spectral).

    It is in degrees and needs two channels or more. A pixel whose spectrum is zero in either counts
    as angle zero. LR pixels count as in `ReflectanceConsistency`.
    """

    higher_is_better = False
    unit = "degrees"

    def __call__(self, sr: Tensor, hr: Tensor, context: ScoringContext) -> Tensor:
        """Degrade SR ``(B, C, *S)`` and compare it with LR: ``(B,)``; HR is not looked at."""
        degraded, visible = _degraded(sr, context)
        return _visible_mean(degrees_between(degraded, context.lr), visible).to(sr.dtype)


class SpatialConsistency:
    """Length of the shift between degraded SR and LR, in LR pixels (see `phase_shift`).

    It is found to a fraction ``1 / upsampling`` of a pixel. Images are faded out towards their
    borders. LR pixels count as in `ReflectanceConsistency`; the others get the mean of those that
    count, in both images. The value is NaN if no channel varies in both images.
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
        """Degrade SR ``(B, C, *S)`` and find its shift from LR: ``(B,)``; HR is not looked at."""
        degraded, visible = _degraded(sr, context)
        images = (apodised(image, visible=visible) for image in (degraded, context.lr))
        length = phase_shift(*images, upsampling=self.upsampling).norm(dim=1)
        measurable = structured(degraded, visible) & structured(context.lr, visible)
        return torch.where(measurable.any(1), length, torch.nan)


def phase_shift(image: Tensor, reference: Tensor, *, upsampling: int = 100) -> Tensor:
    """Return the shift of `image` against `reference` along each axis, in pixels, ``(B, axes)``.

    It is the peak of the phase correlation ``F G* / sqrt(|F G*|)``. It is refined by Fourier sums
    at ever finer steps (Guizar-Sicairos et al. 2008, the matrix-multiply DFT).

    Both images are ``(B, C, *S)`` and treated as periodic. The cross-power spectra of the channels
    are added. The shift is NaN if no channel varies in both images.
    """
    first, second = _spectrum(image), _spectrum(reference)
    power = (first * second.conj()).sum(1)
    strength = power.abs()
    # Partial whitening: full whitening would give noise and aliases the weight of the signal.
    phases = power / strength.sqrt().clamp(min=torch.finfo(strength.dtype).tiny)
    shift = _whole_shift(phases)
    step = 1.0
    while step > 1 / upsampling:
        step = max(step / 4, 1 / upsampling)
        shift = _refined(phases, shift, step)
    measurable = (structured(image) & structured(reference)).any(1, keepdim=True)
    return torch.where(measurable, shift, torch.nan)


def _spectrum(image: Tensor) -> Tensor:
    """The Fourier transform of ``(B, C, *S)`` without its mean."""
    axes = tuple(range(2, image.ndim))
    spectrum: Tensor = torch.fft.fftn(image - image.mean(axes, keepdim=True), dim=axes)
    return spectrum


def _whole_shift(phases: Tensor) -> Tensor:
    """The peak of the correlation in whole pixels, ``(B, axes)``."""
    correlation = torch.fft.ifftn(phases, dim=tuple(range(1, phases.ndim))).real
    peak = _highest(correlation)
    size = torch.tensor(correlation.shape[1:], device=peak.device)
    return torch.where(peak > (size - 1) // 2, peak - size, peak).to(correlation)


def _refined(phases: Tensor, shift: Tensor, step: float) -> Tensor:
    """The best of the positions up to four steps from `shift` along each axis."""
    offsets = step * torch.arange(-4, 5, device=shift.device, dtype=shift.dtype)
    value = phases
    for axis, size in enumerate(phases.shape[1:]):
        frequency = torch.fft.fftfreq(size, device=shift.device, dtype=shift.dtype)
        position = shift[:, axis, None] + offsets
        wave = torch.exp(2j * torch.pi * position[..., None] * frequency)
        value = torch.einsum("bpn,bn...->b...p", wave.to(value), value)
    return shift + offsets[_highest(value.real)]


def _highest(values: Tensor) -> Tensor:
    """The position of the largest of the values ``(B, *S)`` along each axis, ``(B, axes)``."""
    return torch.stack(torch.unravel_index(values.flatten(1).argmax(1), values.shape[1:]), 1)
