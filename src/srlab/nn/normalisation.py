"""Convolutions with the normalisation that keeps a discriminator's training stable."""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from srlab.mistakes import Mistake
from srlab.nn.dims import Conv, batch_norm, instance_norm

Normalisation = Literal["batch", "instance", "spectral", "none"]

_OF_FEATURES = {"batch": batch_norm, "instance": instance_norm}


def normalised(layer: Conv, kind: Normalisation) -> list[nn.Module]:
    """Return `layer` and its normalisation, if that is a layer of its own.

    Batch (Ioffe & Szegedy 2015) and instance normalisation (Ulyanov et al. 2016) follow the layer.
    Their mean would cancel its bias, which is dropped. Spectral normalisation (Miyato et al. 2018,
    eq. 8) divides the weight by its largest singular value, which one power iteration in each
    training pass estimates. Batch normalisation raises a `Mistake` where it would train on a single
    value a channel.
    """
    if kind == "none":
        return [layer]
    if kind == "spectral":
        return [spectral_norm(layer)]
    if kind not in _OF_FEATURES:
        raise Mistake(
            f"normalisation is {kind!r}; it must be one of {', '.join(get_args(Normalisation))}."
        )
    layer.register_parameter("bias", None)
    norm = _OF_FEATURES[kind](len(layer.kernel_size), layer.out_channels)
    if kind == "batch":
        norm.register_forward_pre_hook(_refuse_single_values)
    return [layer, norm]


def at_the_ends(kind: Normalisation) -> Normalisation:
    """Return the normalisation of the first and the last layer, which drop batch and instance."""
    return "none" if kind in _OF_FEATURES else kind


def _refuse_single_values(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    """Refuse a single value a channel, which would become zero; torch's error names no remedy."""
    (features,) = inputs
    if norm.training and features.numel() == features.shape[1]:
        raise Mistake(
            f"batch normalisation got features of shape {tuple(features.shape)}, a single value a "
            "channel, and cannot train on that: raise loader.batch_size or data.crop_size, or "
            "choose another discriminator."
        )
