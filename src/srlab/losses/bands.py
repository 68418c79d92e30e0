"""Preparation of an image for a feature network: its bands are chosen, its values are scaled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from srlab.axes import is_count
from srlab.mistakes import Mistake

Channels = Sequence[int] | Sequence[Sequence[int]]


class Bands:
    """Chooses the bands of an image for a network that takes `in_channels` channels.

    `channels` are positions in ``data.bands``, counted from 1. They are given in one of three ways:

    - `in_channels` positions, for example ``[3, 2, 1]``.
    - One position, for example ``[4]``. Its band is repeated for every channel of the network.
    - A list of such lists. Each list makes its own images in the batch, so a mean over the batch
      is also a mean over the lists.

    If `channels` is None, an image must have `in_channels` channels, or one, which is repeated.

    Raises a `Mistake` for other lists, and for images that lack a chosen band.
    """

    def __init__(self, channels: Channels | None, *, in_channels: int = 3) -> None:
        self.in_channels = in_channels
        self.groups: list[Sequence[int]] = []
        if channels is not None:
            self.groups = _groups(channels, in_channels)

    def __call__(self, image: Tensor) -> Tensor:
        """Return the bands ``(lists·B, in_channels, *S)`` of images ``(B, C, *S)``."""
        groups = self.groups or [self._all(image.shape[1])]
        return torch.cat([self._pick(image, group) for group in groups])

    def _pick(self, image: Tensor, group: Sequence[int]) -> Tensor:
        """Return the bands of one list, ``(B, in_channels, *S)``."""
        if max(group) > image.shape[1]:
            raise Mistake(
                f"channels asks for band {max(group)} of images that have {image.shape[1]}; give "
                "positions in data.bands, from 1."
            )
        # Indexing by a list would copy the positions from the host to the device each time.
        picked = torch.cat([image[:, band - 1 : band] for band in group], dim=1)
        return picked.expand(-1, self.in_channels, *image.shape[2:])

    def _all(self, count: int) -> Sequence[int]:
        """Return the positions of all `count` channels of an image, if the network takes them."""
        if count not in (1, self.in_channels):
            raise Mistake(
                f"the images have {count} channels and the feature network takes "
                f"{self.in_channels}; set the term's channels to positions in data.bands: "
                f"{_ways(self.in_channels)}."
            )
        return range(1, count + 1)


def to_unit_range(
    image: Tensor, *, low: float | None, high: float | None, data_range: float
) -> Tensor:
    """Map physical values linearly, so that `low` becomes 0 and `high` becomes 1.

    `low` is 0 if it is None, and `high` is `data_range` if it is None. Values outside the range are
    not clamped, so they keep their gradients.

    Raises a `Mistake` unless `low` is below `high`.
    """
    if low is None:
        low = 0.0
    if high is None:
        high = data_range
    if not low < high:
        raise Mistake(f"the value range is {low} to {high}; set low below high.")
    return (image - low) / (high - low)


class FeatureInput:
    """Turns an image in physical units into the input of a feature network.

    It chooses the bands `channels` (see `Bands`), then maps `low` to 0 and `high` to 1 (see
    `to_unit_range`). Images have `spatial_dims` spatial axes.

    Raises a `Mistake` for images with another number of axes.
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
        self.low = low
        self.high = high
        self.spatial_dims = spatial_dims

    def __call__(self, image: Tensor, *, data_range: float) -> Tensor:
        """Return ``(lists·B, in_channels, *S)``, mostly in 0–1, for images ``(B, C, *S)``."""
        if image.ndim - 2 != self.spatial_dims:
            raise Mistake(
                f"the feature network takes images of {self.spatial_dims} spatial axes, and these "
                f"have the shape {tuple(image.shape)}; for volumes and video wrap the term in "
                "srlab.losses.Slices, as loss=[perceptual_vgg_slices] does, or use a network that "
                "takes them."
            )
        chosen = self.bands(image)
        return to_unit_range(chosen, low=self.low, high=self.high, data_range=data_range)


def _groups(channels: Any, in_channels: int) -> list[Sequence[int]]:
    """Return the lists of positions in `channels`, or `channels` itself as the only list."""
    groups = [channels]
    if isinstance(channels, Sequence) and any(isinstance(entry, Sequence) for entry in channels):
        groups = list(channels)
    if not all(_is_group(group, in_channels) for group in groups):
        raise Mistake(
            f"channels is {channels!r}; give positions in data.bands from 1: {_ways(in_channels)}."
        )
    return groups


def _is_group(group: object, in_channels: int) -> bool:
    """Whether `group` is a list of positions from 1, and has one or `in_channels` entries."""
    if not isinstance(group, Sequence) or len(group) not in (1, in_channels):
        return False
    return all(is_count(band, least=1) for band in group)


def _ways(in_channels: int) -> str:
    """Return the part of an error message that lists the ways to choose bands."""
    chosen = list(range(in_channels, 0, -1))
    return f"{chosen}, one to be repeated such as [1], or a list of such lists to be averaged"
