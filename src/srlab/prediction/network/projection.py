"""Tiles whose SR agrees with their LR, and the two parts of such SR.

Each tile is projected together with its overlap. Far enough from a cut, that gives the same values
as a projection of the whole scene (`srlab.degradations.reach`).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from math import inf

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from srlab.axes import Window, enlarged
from srlab.degradations import Bounds
from srlab.io import Channel
from srlab.io.across import Order
from srlab.mistakes import Mistake
from srlab.models.agreement import Agreement
from srlab.nn.shrinking import Spare, nothing
from srlab.prediction.blocks import Network, Predict
from srlab.prediction.network.across import in_file

log = logging.getLogger(__name__)

Pixels = NDArray[np.float32]


def bounds_of(channels: Sequence[Channel]) -> Bounds | None:
    """Return the values that a file can hold in its channels; None if all of them are floats."""
    if all(channel.dtype.kind == "f" for channel in channels):
        return None
    spans = [_span(channel) for channel in channels]
    low, high, steps = (torch.tensor(each) for each in zip(*spans, strict=True))
    return Bounds(low, high, steps)


def _span(channel: Channel) -> tuple[float, float, float]:
    """Return the lowest and highest physical value of a channel, and the step between values.

    A nodata value at an end of the type is left out, since no valid pixel may have it.
    """
    if channel.dtype.kind == "f":
        return -inf, inf, inf
    limits = np.iinfo(channel.dtype)
    lowest = int(limits.min) + (channel.nodata == limits.min)
    highest = int(limits.max) - (channel.nodata == limits.max)
    ends = [end * channel.scale + channel.offset for end in (lowest, highest)]
    return min(ends), max(ends), abs(channel.scale)


def uncut(
    agreement: Agreement,
    shape: tuple[int, ...],
    tile: tuple[int, ...],
    order: Order,
    *,
    asked: bool,
) -> tuple[int, ...]:
    """Lengthen tiles to the whole of each axis along which SR agrees with LR only as a whole.

    Raises a `Mistake` where shorter ones were `asked` for.
    """
    whole = [order[-len(agreement.scale) + axis] for axis in agreement.whole_axes]
    short = [axis for axis in whole if tile[axis] < shape[axis]]
    if short and asked:
        raise Mistake(
            f"tiles of {tile} pixels cut a scene of {shape}, and its degradation sees whole axes, "
            "so the output would not agree with the input; leave tile= out, or project=true."
        )
    if short:
        log.info("tiles have the whole of axes %s, which the degradation sees as a whole", short)
    return tuple(shape[axis] if axis in short else side for axis, side in enumerate(tile))


def check_overlap(
    agreement: Agreement,
    shape: tuple[int, ...],
    tile: tuple[int, ...],
    overlap: tuple[int, ...],
    order: Order,
    *,
    times: int,
) -> None:
    """Refuse an overlap by which SR would not agree with LR where tiles meet.

    It must be `times` as wide as the reach of the projection.
    """
    needed = in_file(order, [times * (pixels or 0) for pixels in agreement.reach], otherwise=0)
    for size, side, given, least in zip(shape, tile, overlap, needed, strict=True):
        if side < size and given < least:
            raise Mistake(
                f"overlap is {given} LR pixels, and the output agrees with the input across tiles "
                f"from {least} on, and what the network sees beyond them; leave overlap= out, or "
                "project=true."
            )


class TiledAgreement:
    """The agreement with tiles of a file, only within the borders of the scene.

    `order` has the axes of a tile, those that the model sees last. Along the others each place is
    an image of its own.
    """

    def __init__(
        self, agreement: Agreement, *, order: Order, device: str | torch.device = "cpu"
    ) -> None:
        self.channels = len(agreement.channels)
        self._agreement, self._device = agreement, torch.device(device)
        self._first = len(order) - len(agreement.scale)
        # those of an image ``(C, *tile)``, moved to ``(others, C, seen)``
        self._axes = [1 + axis for axis in order]
        self._axes.insert(self._first, 0)

    def projected(
        self, sr: Pixels, lr: Pixels, inside: Window, bounds: Bounds | None = None
    ) -> Pixels:
        """Return SR ``(C', *S·scale)`` that agrees with LR ``(C, *S)`` in a window of LR.

        Beyond it SR is zero, since there is nothing to agree with.
        """
        target = _target(sr, lr, inside)
        seen = self._images(lr[(slice(None), *inside)])
        images = self._agreement(self._images(sr[target]), seen)
        if bounds:
            images = self._agreement.within(images, bounds)
        return self._placed(images, np.zeros_like(sr), target)

    def measured(self, sr: Pixels, lr: Pixels, inside: Window) -> Pixels:
        """Return what LR alone determines, of the shape of SR; zero beyond the window of LR."""
        images = self._agreement.measured(self._images(lr[(slice(None), *inside)]))
        return self._placed(images, np.zeros_like(sr), _target(sr, lr, inside))

    def _images(self, pixels: Pixels) -> Tensor:
        """Turn ``(C, *tile)`` into images ``(N, C, *S)``."""
        moved = pixels.transpose(self._axes)
        images = np.ascontiguousarray(moved).reshape(-1, *moved.shape[self._first :])
        return torch.from_numpy(images).to(self._device)

    def _placed(self, images: Tensor, tile: Pixels, target: Window) -> Pixels:
        """Turn images back, and write them into a tile."""
        shape = tile[target].shape
        moved = images.cpu().numpy().reshape([shape[axis] for axis in self._axes])
        tile[target] = moved.transpose(np.argsort(self._axes))
        return tile


class Agreeing:
    """A prediction whose SR agrees with LR, within the `bounds` of a file (`bounds_of`)."""

    def __init__(
        self, network: Network, agreement: TiledAgreement, *, bounds: Bounds | None = None
    ) -> None:
        self._network, self._agreement, self._bounds = network, agreement, bounds

    def __call__(self, lr: Pixels, inside: Sequence[Window], spare: Spare) -> Pixels:
        """Return SR ``(N, C', *S·scale)`` of LR ``(N, C, *S)``."""
        # The projection of a core depends on the SR around it, so none of the SR is spare.
        tiles = zip(self._network(lr, nothing(spare)), lr, inside, strict=True)
        return np.stack([self._agreement.projected(*tile, self._bounds) for tile in tiles])


class Parts:
    """A prediction, then all that LR determines of its SR, then all that the network added."""

    def __init__(self, predict: Predict, agreement: TiledAgreement) -> None:
        self._predict, self._agreement = predict, agreement

    def __call__(self, lr: Pixels, inside: Sequence[Window], spare: Spare) -> Pixels:
        """Return ``(N, C'' + 2 C', *S·scale)`` of LR ``(N, C, *S)``; SR is the first C' of C''."""
        predicted = self._predict(lr, inside, spare)
        sr = predicted[:, : self._agreement.channels]
        tiles = zip(sr, lr, inside, strict=True)
        measured = np.stack([self._agreement.measured(*tile) for tile in tiles])
        return np.concatenate([predicted, measured, sr - measured], axis=1)


def _target(sr: Pixels, lr: Pixels, inside: Window) -> Window:
    """Return the place of a window of LR in SR."""
    scale = [fine // coarse for fine, coarse in zip(sr.shape[1:], lr.shape[1:], strict=True)]
    return (slice(None), *enlarged(inside, scale))
