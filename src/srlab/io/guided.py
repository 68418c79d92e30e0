"""An image with a finer guide, such as 20 m bands with 10 m bands, read as one image.

The guide's pixels become further channels on the coarser grid of the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window, enlarged
from srlab.io.description import Channel, Description
from srlab.io.protocols import Reader
from srlab.mistakes import Mistake


@dataclass(frozen=True)
class Layout:
    """The order of channels when an image and its guide are put together on the image's grid.

    The image's own bands come first. A guide has `ratio` times as many pixels along each axis. Of
    each band of the guide, the pixels in one pixel of the image become channels, in the order of
    ``torch.nn.PixelUnshuffle``.
    """

    bands: int
    """The number of the image's own bands."""

    ratio: tuple[int, ...]

    def joined(self, image: NDArray[Any], guide: NDArray[Any]) -> NDArray[Any]:
        """Return ``(C + G·∏ratio, *S)`` of an image ``(C, *S)`` and a guide ``(G, *S·ratio)``."""
        return np.concatenate([image, space_to_depth(guide, self.ratio)])

    def parted(self, joined: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Take joined channels apart into an image ``(C, *S)`` and a guide ``(G, *S·ratio)``."""
        return joined[: self.bands], depth_to_space(joined[self.bands :], self.ratio)


def space_to_depth(image: NDArray[Any], ratio: Sequence[int]) -> NDArray[Any]:
    """Turn ``(C, *S·ratio)`` into ``(C·∏ratio, *S)`` (Shi et al. 2016, the inverse of eq. 4)."""
    channels, *sides = image.shape
    small = [side // factor for side, factor in zip(sides, ratio, strict=True)]
    # Each axis is split in two: coarse pixels, then the fine pixels in each of them.
    split_shape: list[int] = []
    for side, factor in zip(small, ratio, strict=True):
        split_shape += [side, factor]
    coarse_axes = range(1, 2 * len(ratio), 2)
    fine_axes = range(2, 2 * len(ratio) + 1, 2)
    split = image.reshape(channels, *split_shape).transpose(0, *fine_axes, *coarse_axes)
    return split.reshape(channels * prod(ratio), *small)


def depth_to_space(image: NDArray[Any], ratio: Sequence[int]) -> NDArray[Any]:
    """Turn ``(C·∏ratio, *S)`` into ``(C, *S·ratio)``."""
    channels, *sides = image.shape
    dims = len(ratio)
    split = image.reshape(channels // prod(ratio), *ratio, *sides)
    # Each axis of fine pixels moves behind the axis of the coarse pixels that hold them.
    order = [0]
    for axis in range(1, dims + 1):
        order += [axis + dims, axis]
    large = [side * factor for side, factor in zip(sides, ratio, strict=True)]
    return split.transpose(order).reshape(-1, *large)


class GuidedReader:
    """An image and a finer guide of the same ground, whose pixels are further channels.

    Grid, name and tags are those of the image. The guide's band ``B02`` becomes the channels
    ``B02[0,0]``, ``B02[0,1]`` and so on, by row and column within a pixel of the image.

    Raises a `Mistake` unless the guide has `ratio` times as many pixels along each axis.
    """

    def __init__(self, image: Reader, guide: Reader, *, ratio: Sequence[int]) -> None:
        self._image, self._guide = image, guide
        self.layout = Layout(len(image.description.channels), tuple(ratio))
        _check_grid(image, guide, self.layout.ratio)
        own, finer = image.description.channels, guide.description.channels
        if any(channel.masked or channel.nodata is not None for channel in finer):
            # SR has no data where the guide has none, so the output must be able to mark that.
            own = tuple(map(_able_to_be_empty, own))
        positions = list(product(*map(range, self.layout.ratio)))
        added = [_subpixel(channel, position) for channel, position in product(finer, positions)]
        self.description = image.description.with_channels([*own, *added])

    def __str__(self) -> str:
        return str(self._image)

    def __reduce__(self) -> tuple[Any, ...]:
        again = partial(GuidedReader, ratio=self.layout.ratio)
        return again, (self._image, self._guide)

    def read(self, window: Window) -> NDArray[np.float32]:
        """Read ``(C + G·∏ratio, *window)`` in physical units, NaN where there is no data."""
        finer = enlarged(window, self.layout.ratio)
        return self.layout.joined(self._image.read(window), self._guide.read(finer))

    def close(self) -> None:
        """Release the files."""
        self._image.close()
        self._guide.close()


def guided(image: Reader, guide: Reader, *, ratio: Sequence[int]) -> GuidedReader:
    """Read an image and its guide together; a guide on another grid is resampled.

    The grid it is resampled onto is that of the image, with `ratio` times as many pixels. Files
    without a place are taken to show the same ground.

    Raises a `Mistake` unless the guide's pixels are `ratio` times as fine.
    """
    if len(ratio) == 2:
        from srlab.io.raster.matching import on_grid  # GDAL takes a while to import

        guide = on_grid(guide, image.description.scaled(ratio))
    return GuidedReader(image, guide, ratio=ratio)


def _able_to_be_empty(channel: Channel) -> Channel:
    return replace(channel, masked=channel.nodata is None)


def _subpixel(channel: Channel, position: Sequence[int]) -> Channel:
    name = f"{channel.name}[{','.join(map(str, position))}]"
    named = replace(channel, name=name, description=name, colour="", tags={})
    return _able_to_be_empty(named)


def _check_grid(image: Reader, guide: Reader, ratio: tuple[int, ...]) -> None:
    own, finer = image.description, guide.description
    if len(own.shape) != len(ratio):
        raise Mistake(
            f"{image} has {len(own.shape)} spatial axes and guide_ratio has {len(ratio)} numbers; "
            "give one for each."
        )
    wanted = own.scaled(ratio).shape
    if finer.shape != wanted:
        raise Mistake(
            f"{guide} has {finer.shape} pixels in {_listed(finer)} and {image} {own.shape} in "
            f"{_listed(own)}; at guide_ratio {ratio} a guide has {wanted}: name bands of the finer "
            "grid, and their file if it is another."
        )


def _listed(description: Description) -> str:
    return ", ".join(description.names)
