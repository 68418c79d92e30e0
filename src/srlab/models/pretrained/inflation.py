"""A network's first and last layer, adapted to other bands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn

from srlab.nn.upsample import PixelShuffle, PixelUnshuffle

Kept = Sequence[int | None]
"""For each channel of the run, the channel of the pretrained network that is the same band, from 0, or None."""


@dataclass(frozen=True)
class _Ends:
    """Where a network meets its bands: the first and the last convolution, by order of definition."""

    first: str
    last: str
    inputs: int
    maps: int
    """Output channels, times `cells`."""

    cells: int
    """Pixels of one output channel that the last convolution makes at once, for a pixel shuffle after it."""

    gathered: int
    """Pixels of one input channel that the first convolution takes as so many, from a pixel unshuffle before it."""


def inflated(
    generator: nn.Module,
    tensors: Mapping[str, Tensor],
    *,
    before: Sequence[str] | None = None,
    after: Sequence[str] | None = None,
) -> dict[str, Tensor]:
    """Return `tensors` of a pretrained network with its first and last convolution adapted to the generator's bands.

    Without names of bands, every input channel gets the mean of the pretrained input filters times
    ``old channels / new channels``, and every output channel the mean of the pretrained output filters and biases: on a
    grey image, the same in all channels, each output channel is then the mean of those of the pretrained network.
    Equal numbers of channels stay as they are.

    `before` and `after` name the bands of the pretrained network and of the generator. Where they share a name, that
    band keeps its own filters; the filters of bands that are gone are shared out evenly among the new ones, or among
    all if none is new, so that a grey image still has the same features; where none is gone, new bands start at zero. A
    new output channel is the mean of all.

    What does not fit for any other reason is returned as it is.
    """
    result = dict(tensors)
    own, ends = generator.state_dict(), _ends(generator)
    if ends is None:
        return result
    name = f"{ends.first}.weight"
    planes = result[name].shape[1] if name in result and result[name].ndim > 1 else 0
    old_inputs, rest = divmod(planes, ends.gathered)
    if name in result and not rest and _differ_at(result[name], own[name], axis=1):
        kept = _kept(old_inputs, ends.inputs, before, after)
        result[name] = _inputs(result[name].to(own[name].dtype), kept, ends.gathered)
    for name in (f"{ends.last}.weight", f"{ends.last}.bias"):
        if name not in result or name not in own or not _differ_at(result[name], own[name], axis=0):
            continue
        old, rest = divmod(result[name].shape[0], ends.cells)
        # another number of cells, and so another scale, would look like other bands
        other_scale = ends.cells > 1 and (old == old_inputs) != (
            ends.maps == ends.cells * ends.inputs
        )
        if not rest and not other_scale:
            kept = _kept(old, ends.maps // ends.cells, before, after)
            result[name] = _outputs(result[name].to(own[name].dtype), kept, ends.cells)
    return result


def _ends(generator: nn.Module) -> _Ends | None:
    """Find the ends; None where they are not plain convolutions over the generator's channels."""
    convolutions = (nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.ConvTranspose3d)
    kinds = (*convolutions, PixelShuffle, nn.PixelShuffle, PixelUnshuffle)
    layers = [
        (name, module) for name, module in generator.named_modules() if isinstance(module, kinds)
    ]
    cells = gathered = 1
    if layers and isinstance(layers[0][1], PixelUnshuffle):
        gathered = prod(layers.pop(0)[1].scale)  # type: ignore[arg-type]
    if layers and isinstance(layers[-1][1], (PixelShuffle, nn.PixelShuffle)):
        shuffle = layers.pop()[1]
        ours = isinstance(shuffle, PixelShuffle)
        cells = prod(shuffle.scale) if ours else int(shuffle.upscale_factor) ** 2  # type: ignore
    if len(layers) < 2:
        return None
    (first, head), (last, tail) = layers[0], layers[-1]
    if not all(isinstance(end, (nn.Conv2d, nn.Conv3d)) and end.groups == 1 for end in (head, tail)):
        return None
    assert isinstance(head, (nn.Conv2d, nn.Conv3d))
    assert isinstance(tail, (nn.Conv2d, nn.Conv3d))
    inputs, rest = divmod(head.in_channels, gathered)
    if rest or inputs != generator.in_channels:
        return None
    return _Ends(
        first=first,
        last=last,
        inputs=inputs,
        maps=tail.out_channels,
        cells=cells,
        gathered=gathered,
    )


def _differ_at(given: Tensor, own: Tensor, *, axis: int) -> bool:
    """Whether two shapes are equal but, perhaps, for one axis."""
    one, other = list(given.shape), list(own.shape)
    return (
        len(one) == len(other) > axis
        and one[axis] > 0
        and [*one[:axis], *one[axis + 1 :]]
        == [
            *other[:axis],
            *other[axis + 1 :],
        ]
    )


def _kept(old: int, new: int, before: Sequence[str] | None, after: Sequence[str] | None) -> Kept:
    known = before is not None and after is not None and (len(before), len(after)) == (old, new)
    if (
        known
        and before
        and after
        and set(before) & set(after)
        and _telling(before)
        and _telling(after)
    ):
        return [before.index(name) if name in before else None for name in after]
    return range(old) if old == new else [None] * new


def _telling(names: Sequence[str]) -> bool:
    """Whether names tell bands apart, and are not just their numbers in some file."""
    return len(set(names)) == len(names) and not any(name.isdigit() for name in names)


def _inputs(weight: Tensor, kept: Kept, gathered: int) -> Tensor:
    # the pixel unshuffle gives consecutive planes for the cells of one channel
    weight = weight.reshape(
        weight.shape[0], weight.shape[1] // gathered, gathered, *weight.shape[2:]
    )
    gone = [channel for channel in range(weight.shape[1]) if channel not in kept]
    takers = [channel for channel, source in enumerate(kept) if source is None] or list(
        range(len(kept))
    )
    share = weight[:, gone].sum(dim=1) / len(takers)
    filters = [
        torch.zeros_like(weight[:, 0]) if source is None else weight[:, source] for source in kept
    ]
    if gone:
        filters = [
            each + share if channel in takers else each for channel, each in enumerate(filters)
        ]
    return torch.stack(filters, dim=1).flatten(1, 2)


def _outputs(tensor: Tensor, kept: Kept, cells: int) -> Tensor:
    # the pixel shuffle takes consecutive maps for the cells of one channel
    channels = tensor.reshape(-1, cells, *tensor.shape[1:])
    mean = channels.mean(dim=0)
    return torch.cat([mean if source is None else channels[source] for source in kept])
