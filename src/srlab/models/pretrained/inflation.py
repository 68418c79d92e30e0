"""Inflation: adapting the first and last layer of a network to other bands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TypeGuard, cast

import torch
from torch import Tensor, nn

from srlab.generators import Generator
from srlab.nn.upsample import PixelShuffle, PixelUnshuffle

Kept = Sequence[int | None]
"""For each channel of the run, the index of the same band in the pretrained network, or None."""

CONVOLUTIONS = (nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.ConvTranspose3d)
SHUFFLES = (PixelShuffle, PixelUnshuffle, nn.PixelShuffle)


@dataclass(frozen=True)
class _Ends:
    """The first and the last convolution of a network, by order of definition."""

    first: str
    last: str

    inputs: int
    """The number of input channels of the network."""

    outputs: int
    """The number of output channels of the network."""

    gathered: int
    """The planes of the first convolution for each input channel, after a pixel unshuffle."""

    cells: int
    """The planes of the last convolution for each output channel, before a pixel shuffle."""


def inflated(
    generator: nn.Module,
    tensors: Mapping[str, Tensor],
    *,
    before: Sequence[str] | None = None,
    after: Sequence[str] | None = None,
) -> dict[str, Tensor]:
    """Adapt a pretrained network's first and last convolution to the generator's bands.

    Without names of bands, every input channel gets the mean of the pretrained input filters times
    ``old channels / new channels``. Every output channel gets the mean of the pretrained output
    filters and biases. If all channels of an image are equal, each output channel is then the mean
    of the pretrained outputs. Nothing changes if the number of channels is the same.

    `before` and `after` name the bands of the pretrained network and of the generator:

    - A band in both keeps its own filters.
    - The filters of removed bands are distributed evenly over the new bands, or over all bands if
      none is new. If all channels of an image are equal, its features then stay the same.
    - If no band is removed, the input filters of new bands start at zero.
    - The output filters of a new band are the mean of the pretrained ones.

    Tensors that do not fit for another reason are returned unchanged.
    """
    result, own, ends = dict(tensors), generator.state_dict(), _ends(generator)
    if ends is None:
        return result

    head = f"{ends.first}.weight"
    inputs, rest = _input_channels(result.get(head), ends.gathered)
    if not rest and _differ_at(result.get(head), own.get(head), axis=1):
        kept = _kept(inputs, ends.inputs, before, after)
        weight = result[head].to(own[head].dtype)
        result[head] = _with_inputs(weight, kept, ends.gathered)

    for name in (f"{ends.last}.weight", f"{ends.last}.bias"):
        if not _differ_at(result.get(name), own.get(name), axis=0):
            continue
        outputs, rest = divmod(len(result[name]), ends.cells)
        # A network of another scale has another number of cells, which would look like other bands.
        same_scale = ends.cells == 1 or (outputs == inputs) == (ends.outputs == ends.inputs)
        if same_scale and not rest:
            kept = _kept(outputs, ends.outputs, before, after)
            tensor = result[name].to(own[name].dtype)
            result[name] = _with_outputs(tensor, kept, ends.cells)
    return result


def _input_channels(weight: Tensor | None, gathered: int) -> tuple[int, int]:
    """Return the input channels of a first convolution, and the planes that are left over."""
    if weight is None or weight.ndim < 2:
        return 0, 0
    return divmod(weight.shape[1], gathered)


def _ends(generator: nn.Module) -> _Ends | None:
    """Find both ends of a generator.

    Returns None if they are not plain convolutions of the generator's channels.
    """
    layers = [
        (name, module)
        for name, module in generator.named_modules()
        if isinstance(module, (*CONVOLUTIONS, *SHUFFLES))
    ]
    if len(layers) < 2:
        return None

    gathered = cells = 1
    first_layer, last_layer = layers[0][1], layers[-1][1]
    if isinstance(first_layer, PixelUnshuffle):
        gathered = _cells(first_layer)
        layers = layers[1:]
    if isinstance(last_layer, SHUFFLES):
        cells = _cells(last_layer)
        layers = layers[:-1]
    if len(layers) < 2:
        return None

    (first, head), (last, tail) = layers[0], layers[-1]
    if not _is_plain(head) or not _is_plain(tail):
        return None
    inputs, rest = divmod(head.in_channels, gathered)
    if rest or inputs != cast(Generator, generator).in_channels:
        return None
    return _Ends(first, last, inputs, tail.out_channels // cells, gathered, cells)


def _cells(shuffle: nn.Module) -> int:
    """Return the number of fine pixels in a coarse pixel of a shuffle."""
    if isinstance(shuffle, nn.PixelShuffle):
        return int(shuffle.upscale_factor) ** 2
    return prod(cast(PixelShuffle | PixelUnshuffle, shuffle).scale)


def _is_plain(layer: nn.Module) -> TypeGuard[nn.Conv2d | nn.Conv3d]:
    return isinstance(layer, (nn.Conv2d, nn.Conv3d)) and layer.groups == 1


def _differ_at(given: Tensor | None, own: Tensor | None, *, axis: int) -> bool:
    """Whether the shapes of two tensors are equal apart from the length of one axis."""
    if given is None or own is None or given.ndim != own.ndim or given.ndim <= axis:
        return False
    shapes = [list(tensor.shape) for tensor in (given, own)]
    lengths = [shape.pop(axis) for shape in shapes]
    return lengths[0] > 0 and shapes[0] == shapes[1]


def _kept(old: int, new: int, before: Sequence[str] | None, after: Sequence[str] | None) -> Kept:
    """Find the bands of the run among those of the pretrained network.

    They are compared by name if all names are known, and by order if the numbers are equal.
    """
    before, after = before or (), after or ()
    complete = len(before) == old and len(after) == new
    if complete and _are_names(before) and _are_names(after) and set(before) & set(after):
        places = {name: place for place, name in enumerate(before)}
        return [places.get(name) for name in after]
    return range(old) if old == new else [None] * new


def _are_names(names: Sequence[str]) -> bool:
    """Whether names identify bands: all are different, and none is a mere number."""
    return len(set(names)) == len(names) and not any(name.isdigit() for name in names)


def _with_inputs(weight: Tensor, kept: Kept, gathered: int) -> Tensor:
    """Adapt filters ``(maps, channels · gathered, *kernel)`` to other input channels."""
    # The pixel unshuffle makes consecutive planes of the pixels of one channel.
    weight = weight.reshape(len(weight), -1, gathered, *weight.shape[2:])
    removed = [channel for channel in range(weight.shape[1]) if channel not in kept]
    new = [channel for channel, source in enumerate(kept) if source is None]
    receivers = new or range(len(kept))
    share = weight[:, removed].sum(dim=1) / len(receivers)

    filters = []
    for channel, source in enumerate(kept):
        own = torch.zeros_like(share)
        if source is not None:
            own = weight[:, source]
        if removed and channel in receivers:
            own = own + share
        filters.append(own)
    return torch.stack(filters, dim=1).flatten(1, 2)


def _with_outputs(tensor: Tensor, kept: Kept, cells: int) -> Tensor:
    """Adapt filters or biases ``(channels · cells, ...)`` to other output channels."""
    # The pixel shuffle makes one channel of consecutive planes.
    channels = tensor.reshape(-1, cells, *tensor.shape[1:])
    mean = channels.mean(dim=0)
    return torch.cat([mean if source is None else channels[source] for source in kept])
