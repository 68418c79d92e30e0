"""Normalisation of the convolutions of discriminators."""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from srlab.mistakes import Mistake
from srlab.nn.dims import Conv, batch_norm, instance_norm

Normalisation = Literal["batch", "instance", "spectral", "none"]

_FEATURE_NORMALISATIONS = {"batch": batch_norm, "instance": instance_norm}
"""The kinds that normalise features. Spectral normalisation acts on the weights instead."""


def normalised(layer: Conv, kind: Normalisation) -> list[nn.Module]:
    """Return the layers of a normalised convolution: `layer` and perhaps a layer after it.

    - ``batch`` (Ioffe & Szegedy 2015) and ``instance`` (Ulyanov et al. 2016) are layers after the
      convolution. Both subtract the mean, so the convolution's bias is removed.
    - ``spectral`` divides the weight by its largest singular value (Miyato et al. 2018, eq. 8).
      Each forward pass in training improves the estimate of that value by one power iteration.
    - ``none`` returns the convolution alone.

    Raises a `Mistake` if `kind` is unknown. Batch normalisation raises one, too, if it
    trains on a single value in each channel.
    """
    if kind == "none":
        return [layer]
    if kind == "spectral":
        return [spectral_norm(layer)]
    if kind not in _FEATURE_NORMALISATIONS:
        raise Mistake(
            f"normalisation is {kind!r}; it must be one of {', '.join(get_args(Normalisation))}."
        )
    layer.register_parameter("bias", None)
    norm = _FEATURE_NORMALISATIONS[kind](len(layer.kernel_size), layer.out_channels)
    if kind == "batch":
        norm.register_forward_pre_hook(_refuse_single_values)
    return [layer, norm]


def end_normalisation(kind: Normalisation) -> Normalisation:
    """Return the normalisation of the first and the last convolution of a discriminator.

    These have no batch or instance normalisation.
    """
    return "none" if kind in _FEATURE_NORMALISATIONS else kind


def _refuse_single_values(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    """Raise a `Mistake` if a channel has a single value, which would always become zero.

    torch refuses it, too, but does not say what to do.
    """
    (features,) = inputs
    if norm.training and features.numel() == features.shape[1]:
        raise Mistake(
            f"batch normalisation got features of shape {tuple(features.shape)}, a single value in "
            "each channel, and cannot train on that: raise loader.batch_size or data.crop_size, or "
            "choose another discriminator."
        )
