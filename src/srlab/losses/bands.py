"""What a feature network is shown of an image: which bands, in which range."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from srlab.losses.context import Context
from srlab.mistakes import Mistake

Channels = Sequence[int] | Sequence[Sequence[int]]


class Bands:
    """Chooses the channels that a network of `in_channels` inputs sees, without a copy from the host.

    `channels` are positions from 1 in the order of ``data.bands``: as many as the network takes, as ``[3, 2, 1]``; one,
    to be repeated, as ``[4]``; or a list of such lists, each of which becomes an image of its own, so that a mean over
    the batch is the mean over the lists. None takes all channels of an image that has the right number, and repeats
    the only one of an image that has one; any other number is a ``ValueError``.
    """

    def __init__(self, channels: Channels | None, *, in_channels: int = 3) -> None:
        self.in_channels = in_channels
        self.groups = None if channels is None else _groups(channels, in_channels)

    def __call__(self, image: Tensor) -> Tensor:
        """``(B, C, *S)`` to ``(lists·B, in_channels, *S)``."""
        return torch.cat(
            [self._pick(image, group) for group in self.groups or [self._all(image.shape[1])]]
        )

    def _pick(self, image: Tensor, group: tuple[int, ...]) -> Tensor:
        if max(group) > image.shape[1]:
            raise Mistake(
                f"channels asks for band {max(group)} of images that have {image.shape[1]}; give positions in "
                "data.bands, from 1."
            )
        picked = torch.cat([image[:, band - 1 : band] for band in group], dim=1)
        return (
            picked
            if len(group) == self.in_channels
            else picked.expand(-1, self.in_channels, *image.shape[2:])
        )

    def _all(self, count: int) -> tuple[int, ...]:
        if count not in (1, self.in_channels):
            raise Mistake(
                f"the images have {count} channels and the feature network takes {self.in_channels}; set the term's "
                f"channels to positions in data.bands, {_ways(self.in_channels)}."
            )
        return tuple(range(1, count + 1))


class FeatureInput:
    """Brings an image from physical units into what a feature network takes.

    That is the chosen bands (see `Bands`), of which `low` becomes 0 and `high` 1; None stands for 0 and for the
    context's ``data_range``. Values outside are kept, not clamped, so that they keep their gradients.
    """

    def __init__(
        self,
        *,
        channels: Channels | None,
        low: float | None,
        high: float | None,
        in_channels: int = 3,
        spatial_dims: int = 2,
    ) -> None:
        self.bands = Bands(channels, in_channels=in_channels)
        self.low, self.high = low, high
        self.spatial_dims = spatial_dims

    def __call__(self, image: Tensor, context: Context) -> Tensor:
        """``(B, C, *S)`` in physical units to ``(lists·B, in_channels, *S)``, mostly in 0–1."""
        if image.ndim - 2 != self.spatial_dims:
            raise Mistake(
                f"the feature network takes images of {self.spatial_dims} spatial axes, and these have the shape "
                f"{tuple(image.shape)}; for volumes and video wrap the term in srlab.losses.Slices, as "
                "loss=[perceptual_vgg_slices] does, or use a network that takes them."
            )
        low = 0.0 if self.low is None else self.low
        high = context.data_range if self.high is None else self.high
        if not low < high:
            raise Mistake(f"the value range is {low} to {high}; set the term's low below its high.")
        return (self.bands(image) - low) / (high - low)


def _groups(channels: Channels, in_channels: int) -> list[tuple[int, ...]]:
    entries: list[Any] = list(channels) if isinstance(channels, Sequence) else []
    lists = entries if any(isinstance(entry, Sequence) for entry in entries) else [entries]
    groups = [tuple(entry) if isinstance(entry, Sequence) else () for entry in lists]
    positions = all(type(band) is int and band >= 1 for group in groups for band in group)
    if not positions or not all(len(group) in (1, in_channels) for group in groups):
        raise Mistake(
            f"channels is {channels!r}; give positions in data.bands from 1, {_ways(in_channels)}."
        )
    return groups


def _ways(in_channels: int) -> str:
    chosen = list(range(in_channels, 0, -1))
    return f"as {chosen}, one to be repeated, as [1], or a list of such lists to be averaged, as [{chosen}, [4]]"
