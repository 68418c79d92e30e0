"""Finer bands beside those that they help, read as one image on the coarser grid."""

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
    """The channels of an image and of its guide, side by side on the grid of the image.

    The image's own `bands` come first. A guide has `ratio` times as many pixels along each axis. So
    each of its bands becomes as many channels as it has pixels in a pixel of the image, in the
    order of ``torch.nn.PixelUnshuffle``.
    """

    bands: int
    ratio: tuple[int, ...]

    def joined(self, image: NDArray[Any], guide: NDArray[Any]) -> NDArray[Any]:
        """Put ``(C, *S)`` and ``(G, *S·ratio)`` together: ``(C + G·∏ratio, *S)``."""
        return np.concatenate([image, space_to_depth(guide, self.ratio)])

    def parted(self, joined: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Take them apart again: ``(C, *S)`` and ``(G, *S·ratio)``."""
        return joined[: self.bands], depth_to_space(joined[self.bands :], self.ratio)


def space_to_depth(image: NDArray[Any], ratio: Sequence[int]) -> NDArray[Any]:
    """Turn ``(C, *S·ratio)`` into ``(C·∏ratio, *S)`` (Shi et al. 2016, the inverse of eq. 4)."""
    channels, *sides = image.shape
    small = [side // factor for side, factor in zip(sides, ratio, strict=True)]
    cells: list[int] = []
    for side, factor in zip(small, ratio, strict=True):
        cells += [side, factor]
    places, inside = range(1, 2 * len(ratio), 2), range(2, 2 * len(ratio) + 1, 2)
    split = image.reshape(channels, *cells).transpose(0, *inside, *places)
    return split.reshape(channels * prod(ratio), *small)


def depth_to_space(image: NDArray[Any], ratio: Sequence[int]) -> NDArray[Any]:
    """Turn ``(C·∏ratio, *S)`` into ``(C, *S·ratio)``."""
    channels, *sides = image.shape
    dims = len(ratio)
    split = image.reshape(channels // prod(ratio), *ratio, *sides)
    order = [0]
    for axis in range(1, dims + 1):
        order += [axis + dims, axis]
    large = [side * factor for side, factor in zip(sides, ratio, strict=True)]
    return split.transpose(order).reshape(-1, *large)


class GuidedReader:
    """An image with a finer one of the same ground, whose pixels are further channels.

    The grid is the image's, and so are name and tags. The channels of a guide's band ``B02`` are
    called ``B02[0,0]``, ``B02[0,1]`` and so on, by row and column in a pixel of the image.

    Raises a `Mistake` if the guide has not `ratio` times the pixels.
    """

    def __init__(self, image: Reader, guide: Reader, *, ratio: Sequence[int]) -> None:
        self._image, self._guide = image, guide
        self.layout = Layout(len(image.description.channels), tuple(ratio))
        _check_grid(image, guide, self.layout.ratio)
        own, finer = image.description.channels, guide.description.channels
        if any(channel.masked or channel.nodata is not None for channel in finer):
            # Where the guide holds no data there is no SR either, which an output must tell.
            own = tuple(map(_able_to_be_empty, own))
        places = product(finer, product(*map(range, self.layout.ratio)))
        added = [_subpixel(channel, place) for channel, place in places]
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
    """Put an image and its guide together, wherever the guide's pixels lie.

    A guide on another grid is resampled onto that of the image, with `ratio` times the pixels.
    Files that lie nowhere are taken to show the same ground.

    Raises a `Mistake` if the guide's pixels are not `ratio` times as fine.
    """
    if len(ratio) == 2:
        from srlab.io.raster.matching import on_grid  # GDAL takes a while to import

        guide = on_grid(guide, image.description.scaled(ratio))
    return GuidedReader(image, guide, ratio=ratio)


def _able_to_be_empty(channel: Channel) -> Channel:
    return replace(channel, masked=channel.nodata is None)


def _subpixel(channel: Channel, place: Sequence[int]) -> Channel:
    name = f"{channel.name}[{','.join(map(str, place))}]"
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
