"""The input of a feature network: chosen bands of an image, in the network's value range."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from srlab.axes import is_count
from srlab.mistakes import Mistake

Channels = Sequence[int] | Sequence[Sequence[int]]


class Bands:
    """Chooses the bands that a network of `in_channels` inputs sees.

    `channels` are positions in ``data.bands``, counted from 1. They are given in one of three ways.

    - As many as the network takes, for example ``[3, 2, 1]``.
    - One, which is repeated, for example ``[4]``.
    - A list of such lists. Each makes an image of its own in the batch, so that a mean over the
      batch is the mean over the lists.

    None takes all channels of an image that has `in_channels`. It repeats the channel of an image
    that has one. Any other number is a `Mistake`.
    """

    def __init__(self, channels: Channels | None, *, in_channels: int = 3) -> None:
        self.in_channels = in_channels
        self.groups: list[Sequence[int]] = []
        if channels is not None:
            self.groups = _groups(channels, in_channels)

    def __call__(self, image: Tensor) -> Tensor:
        """``(B, C, *S)`` to ``(lists·B, in_channels, *S)``."""
        groups = self.groups or [self._all(image.shape[1])]
        return torch.cat([self._pick(image, group) for group in groups])

    def _pick(self, image: Tensor, group: Sequence[int]) -> Tensor:
        if max(group) > image.shape[1]:
            raise Mistake(
                f"channels asks for band {max(group)} of images that have {image.shape[1]}; give "
                "positions in data.bands, from 1."
            )
        # Slices: a list of positions would be copied from the host to the device each time.
        picked = torch.cat([image[:, band - 1 : band] for band in group], dim=1)
        return picked.expand(-1, self.in_channels, *image.shape[2:])

    def _all(self, count: int) -> Sequence[int]:
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
    """Map physical values such that `low` becomes 0 and `high` becomes 1.

    None stands for 0 and for `data_range`. Values outside are not clamped, so that they keep their
    gradients. Raises a `Mistake` unless `low` is below `high`.
    """
    if low is None:
        low = 0.0
    if high is None:
        high = data_range
    if not low < high:
        raise Mistake(f"the value range is {low} to {high}; set low below high.")
    return (image - low) / (high - low)


class FeatureInput:
    """Brings an image from physical units into the input of a feature network.

    It chooses bands by `channels` (see `Bands`) and maps `low` to 0 and `high` to 1 (see
    `to_unit_range`). Images of other than `spatial_dims` axes are a `Mistake`.
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

    def __call__(self, image: Tensor, *, data_range: float) -> Tensor:
        """``(B, C, *S)`` in physical units to ``(lists·B, in_channels, *S)``, mostly in 0–1."""
        if image.ndim - 2 != self.spatial_dims:
            raise Mistake(
                f"the feature network takes images of {self.spatial_dims} spatial axes, and these "
                f"have the shape {tuple(image.shape)}; for volumes and video wrap the term in "
                "srlab.losses.Slices, as loss=[perceptual_vgg_slices] does, or use a network that "
                "takes them."
            )
        return to_unit_range(self.bands(image), low=self.low, high=self.high, data_range=data_range)


def _groups(channels: Any, in_channels: int) -> list[Sequence[int]]:
    """The lists of positions in `channels`; one list if it is plain."""
    groups = [channels]
    if isinstance(channels, Sequence) and any(isinstance(entry, Sequence) for entry in channels):
        groups = list(channels)
    if not all(_is_group(group, in_channels) for group in groups):
        raise Mistake(
            f"channels is {channels!r}; give positions in data.bands from 1: {_ways(in_channels)}."
        )
    return groups


def _is_group(group: object, in_channels: int) -> bool:
    """Whether these are positions from 1, as many as the network takes or one."""
    if not isinstance(group, Sequence) or len(group) not in (1, in_channels):
        return False
    return all(is_count(band, least=1) for band in group)


def _ways(in_channels: int) -> str:
    """The ways to choose bands, for an error."""
    chosen = list(range(in_channels, 0, -1))
    return f"{chosen}, one to be repeated such as [1], or a list of such lists to be averaged"
