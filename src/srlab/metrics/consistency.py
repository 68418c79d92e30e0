"""Whether SR, degraded again, is the LR it came from; no reference is looked at."""

from __future__ import annotations

import torch
from torch import Tensor

from srlab.metrics.protocol import View
from srlab.metrics.resolution import apodised, structured
from srlab.mistakes import Mistake


def _degraded(sr: Tensor, view: View) -> tuple[Tensor, Tensor]:
    """Degraded SR ``(B, C, *S)``, and ``(B, 1, *S)`` where it comes from visible pixels alone."""
    shown = sr if view.valid is None else torch.where(view.valid, sr, 0.0)
    degraded = view.degrade(shown)
    if degraded.shape != view.lr.shape:
        raise Mistake(
            f"SR degrades to {tuple(degraded.shape)} but LR is {tuple(view.lr.shape)}: consistency needs a degradation "
            "that leads from SR to LR, channel by channel. Leave this metric out where LR has other channels."
        )
    if view.valid is None:
        return degraded, torch.ones_like(degraded[:, :1], dtype=torch.bool)
    # a NaN shows how far a hidden pixel reaches, whatever the degradation's kernel
    reached = (
        view.degrade(torch.where(view.valid, 0.0, torch.nan).to(sr).expand_as(sr))
        .isnan()
        .any(1, keepdim=True)
    )
    hidden = ~view.valid
    for axis, factor in enumerate(view.scale, start=2):
        hidden = hidden.unfold(axis, factor, factor).any(-1)
    return degraded, ~(reached | hidden)


def _visible_mean(values: Tensor, visible: Tensor) -> Tensor:
    return torch.where(visible, values, torch.nan).flatten(1).nanmean(1)


class ReflectanceConsistency:
    """Mean absolute difference between degraded SR and LR, in physical units (Aybar et al. 2024, reflectance).

    An LR pixel counts where no hidden HR pixel lies under it or reaches it through the degradation.
    """

    higher_is_better = False

    def __call__(self, sr: Tensor, hr: Tensor, view: View) -> Tensor:
        """Degrade SR ``(B, C, *S)`` and compare it with LR: ``(B,)``; HR is not looked at."""
        degraded, visible = _degraded(sr, view)
        return _visible_mean((degraded - view.lr).abs(), visible)


class SpectralConsistency:
    """Mean angle between the spectra of degraded SR and LR, in degrees (Aybar et al. 2024, spectral).

    It needs two channels or more. A pixel whose spectrum is zero in either counts as angle zero; which LR pixels
    count, `ReflectanceConsistency` says.
    """

    higher_is_better = False

    def __call__(self, sr: Tensor, hr: Tensor, view: View) -> Tensor:
        """Degrade SR ``(B, C, *S)`` and compare it with LR: ``(B,)``; HR is not looked at."""
        if sr.shape[1] < 2:
            raise Mistake(
                "a spectral angle needs at least two channels; got one. Leave this metric out."
            )
        degraded, visible = _degraded(sr, view)
        return _visible_mean(torch.rad2deg(_angle(degraded, view.lr)), visible)


def _angle(a: Tensor, b: Tensor) -> Tensor:
    """The angle between vectors along axis 1, which is kept; exact for small angles too, where arccos is not."""
    a_length, b_length = (vector.norm(dim=1, keepdim=True) for vector in (a, b))
    a, b = a * b_length, b * a_length
    return 2 * torch.atan2((a - b).norm(dim=1, keepdim=True), (a + b).norm(dim=1, keepdim=True))


class SpatialConsistency:
    """Length of the shift between degraded SR and LR, in LR pixels, by phase correlation (see `phase_shift`).

    It is found to one part in `upsampling` of a pixel. The images are faded out towards their borders; LR pixels
    that do not count (`ReflectanceConsistency`) get the mean of the others in both images. NaN where no channel varies
    in both.
    """

    higher_is_better = False

    def __init__(self, *, upsampling: int = 100) -> None:
        if upsampling < 1:
            raise Mistake(
                f"upsampling is {upsampling}; give 1 for whole pixels, 100 for hundredths."
            )
        self.upsampling = upsampling

    def __call__(self, sr: Tensor, hr: Tensor, view: View) -> Tensor:
        """Degrade SR ``(B, C, *S)`` and find its shift against LR: ``(B,)``; HR is not looked at."""
        degraded, visible = _degraded(sr, view)
        images = (apodised(image, visible=visible) for image in (degraded, view.lr))
        length = phase_shift(*images, upsampling=self.upsampling).norm(dim=1)
        measurable = (structured(degraded, visible) & structured(view.lr, visible)).any(1)
        return torch.where(measurable, length, torch.nan)


def phase_shift(image: Tensor, reference: Tensor, *, upsampling: int = 100) -> Tensor:
    """How far `image` lies from `reference` along each axis, in pixels, ``(B, axes)``.

    The peak of the phase correlation ``F G* / sqrt(|F G*|)``, refined by Fourier sums at ever finer steps around it
    (Guizar-Sicairos et al. 2008, the matrix-multiply DFT). Both are ``(B, C, *S)`` and taken as periodic; the
    cross-power spectra of the channels are added up. NaN where no channel varies in both.
    """
    axes = tuple(range(2, image.ndim))
    first, second = (
        torch.fft.fftn(one - one.mean(axes, keepdim=True), dim=axes) for one in (image, reference)
    )
    power = (first * second.conj()).sum(1)
    strength = power.abs()
    # whitened by half: wholly, frequencies that hold noise and aliases would count as much as the others
    phases = power / strength.sqrt().clamp(min=torch.finfo(strength.dtype).tiny)
    correlation = torch.fft.ifftn(phases, dim=tuple(range(1, phases.ndim))).real
    peak = torch.stack(
        torch.unravel_index(correlation.flatten(1).argmax(1), correlation.shape[1:]), 1
    )
    size = torch.tensor(correlation.shape[1:], device=peak.device)
    shift = torch.where(peak > (size - 1) // 2, peak - size, peak).to(strength)
    step = 1.0
    while step > 1 / upsampling:
        step = max(step / 4, 1 / upsampling)
        shift = _refined(phases, shift, step)
    measurable = (structured(image) & structured(reference)).any(1, keepdim=True)
    return torch.where(measurable, shift, torch.nan)


def _refined(phases: Tensor, shift: Tensor, step: float) -> Tensor:
    """The best of the positions up to four steps from `shift` along each axis."""
    offsets = step * torch.arange(-4, 5, device=shift.device, dtype=shift.dtype)
    value = phases
    for axis in range(shift.shape[1]):
        frequency = torch.fft.fftfreq(
            phases.shape[axis + 1], device=shift.device, dtype=shift.dtype
        )
        position = shift[:, axis, None] + offsets
        wave = torch.exp(2j * torch.pi * position[..., None] * frequency)
        value = torch.einsum("bpn,bn...->b...p", wave.to(value), value)
    best = torch.unravel_index(value.real.flatten(1).argmax(1), (len(offsets),) * shift.shape[1])
    return shift + torch.stack([offsets[index] for index in best], 1)
