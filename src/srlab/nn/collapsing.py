"""The last layers of a network as one convolution, where all of them are linear.

An upsampler without activations, and the convolution after it, are a linear function of features at
LR resolution. One convolution of these features, and a pixel shuffle, give the same SR. This takes
a fraction of the arithmetic, and makes no large features at HR resolution. Training needs the
original layers, and prediction can do without them. Bhardwaj et al. 2022 (SESR) call such layers
collapsible linear blocks.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from math import prod
from typing import Protocol, TypeVar, get_args, runtime_checkable
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from srlab.nn.acceleration import laid_out_like
from srlab.nn.dims import Conv, unpadded_conv
from srlab.nn.reach import exact_copy, measured_reach
from srlab.nn.skip import InputSkip
from srlab.nn.upsample import NearestUpsample, PixelShuffle, PixelUnshuffle

Transposed = nn.ConvTranspose2d | nn.ConvTranspose3d
Rearrangement = NearestUpsample | PixelShuffle

LINEAR = (*get_args(Conv), *get_args(Transposed), *get_args(Rearrangement), nn.Identity)
"""Layers that are linear, but for a bias."""

Network = TypeVar("Network", bound=nn.Module)

STRIPS = (16, 64)
"""The lengths in pixels of the strips on which the reach of the layers is measured."""


class Collapsed(nn.Module):
    """One convolution and a pixel shuffle that stand for last layers and the skip around them.

    Maps features ``(B, C, *S)`` and LR ``(B, c, *S)`` to SR ``(B, C', *(S - 2·radius)·scale)``.
    Nothing is padded, so the result lacks `radius` LR pixels on each side. Elsewhere it equals that
    of the layers, up to rounding. `kernel` is ``(C'·prod(scale), C + c, *(2·radius + 1))``. With
    ``C`` input channels no LR is seen. `replaced` are the weights of the layers.
    """

    def __init__(
        self,
        kernel: Tensor,
        bias: Tensor,
        *,
        scale: Sequence[int],
        replaced: Sequence[Tensor],
    ) -> None:
        super().__init__()
        self.radius = tuple(size // 2 for size in kernel.shape[2:])
        self.kernel = nn.Parameter(kernel, requires_grad=False)
        self.bias = nn.Parameter(bias, requires_grad=False)
        self._shuffle = PixelShuffle(scale)
        self._replaced = [weights.detach().clone() for weights in replaced]

    def forward(self, features: Tensor, lr: Tensor) -> Tensor:
        """Return SR, without a border."""
        seen = features
        if features.shape[1] < self.kernel.shape[1]:
            seen = torch.cat([features, laid_out_like(lr, features)], dim=1)
        sr: Tensor = self._shuffle(unpadded_conv(seen, self.kernel, self.bias))
        return sr

    def stands_for(self, layers: nn.Module) -> bool:
        """Return whether the layers still have the weights that this was made of."""
        for old, new in zip(self._replaced, layers.parameters(), strict=True):
            if old.device != new.device or not torch.equal(old, new):
                return False
        return True


@runtime_checkable
class Collapsible(Protocol):
    """A network whose last layers may be linear."""

    scale: tuple[int, ...]

    skip: InputSkip
    """What is added to the output of the last layers."""

    collapsed: Collapsed | None
    """The convolution that stands for the last layers; None while these stand for themselves."""

    @property
    def last_layers(self) -> nn.Sequential:
        """The layers from features at LR resolution to SR; the last one is a convolution."""


def collapsed(network: Network) -> Network:
    """Return a network for prediction, with the same weights and collapsed last layers.

    The given network stays as it is. It is itself returned if no layers can be collapsed, or if
    that would take more arithmetic. A later change of weights is not noticed.
    """
    changed: dict[str, nn.Module] = {}
    for name, child in network.named_children():
        new = collapsed(child)
        if new is not child:
            changed[name] = new
    itself: object = network
    if isinstance(itself, Collapsible):
        convolution = _collapsed_layers(itself)
        if convolution is not None:
            changed["collapsed"] = convolution
    if not changed:
        return network
    twin = copy.copy(network)
    twin._modules = {**network._modules, **changed}
    twin.__dict__.pop("collapsed", None)
    return twin


_known: WeakKeyDictionary[nn.Module, Collapsed] = WeakKeyDictionary()
"""The convolutions that were composed, by the very last layer of those they stand for."""


def _collapsed_layers(network: Collapsible) -> Collapsed | None:
    layers = network.last_layers
    last = layers[-1]
    known = _known.get(last)
    if known is not None and known.stands_for(layers):
        return known
    composed = _collapse(layers, network.skip, network.scale)
    if composed is not None:
        _known[last] = composed
    return composed


class _Finish(nn.Module):
    """Last layers and the skip around them, as one function of features beside LR."""

    def __init__(self, layers: nn.Sequential, skip: InputSkip) -> None:
        super().__init__()
        self.layers, self.skip = layers, skip

    def forward(self, seen: Tensor) -> Tensor:
        channels = seen.shape[1] - self.skip.seen_channels
        sr: Tensor = self.skip(self.layers(seen[:, :channels]), seen[:, channels:])
        return sr


def _collapse(layers: nn.Sequential, skip: InputSkip, scale: Sequence[int]) -> Collapsed | None:
    """Compose layers to one convolution; None if they are not linear, or take less arithmetic.

    The response to a single pixel of a channel shows the weights of that channel, and the response
    to zeros shows the bias.
    """
    parts = [layer for layer in layers.modules() if not any(layer.children())]
    last = parts[-1]
    if any(type(layer) not in LINEAR for layer in parts) or not isinstance(last, Conv):
        return None
    finish = _Finish(layers, skip)
    channels = last.in_channels + skip.seen_channels
    exact, cells = exact_copy(finish), (1,) * len(scale)
    radii = measured_reach(exact, channels=channels, scale=scale, cells=cells, strips=STRIPS)
    radius = [reach for reach in radii if reach is not None]
    if len(radius) < len(scale):
        return None
    sizes = [2 * reach + 1 for reach in radius]
    if last.out_channels * prod(scale) * channels * prod(sizes) >= _multiply_adds(parts):
        return None

    # In float64 this would take ten times as long, and gain nothing over the layers' own rounding.
    finish = copy.deepcopy(finish).eval().to(device="cpu", dtype=torch.float32)
    images = torch.zeros(channels + 1, channels, *sizes)
    for channel in range(channels):
        images[(channel, channel, *radius)] = 1
    with torch.no_grad():
        responses = PixelUnshuffle(scale)(finish(images))
    of_zeros = responses[-1]
    weights = responses[:-1] - of_zeros
    # A pixel reaches to its left what the kernel takes from its right.
    kernel = weights.transpose(0, 1).flip(*range(2, weights.ndim))
    bias = of_zeros[(slice(None), *radius)]

    like = next(layers.parameters())
    return Collapsed(
        kernel.contiguous().to(like),
        bias.contiguous().to(like),
        scale=scale,
        replaced=list(layers.parameters()),
    )


def _multiply_adds(layers: Sequence[nn.Module]) -> int:
    """Count the multiply-adds of linear layers for each LR pixel."""
    total = 0
    pixels = 1
    for layer in layers:
        if isinstance(layer, Conv | Transposed):
            total += pixels * layer.weight.numel()
        if isinstance(layer, Transposed):
            pixels *= prod(layer.stride)
        if isinstance(layer, Rearrangement):
            pixels *= prod(layer.scale)
    return total
