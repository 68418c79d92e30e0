"""The bands of a raster file: their names, units and stored values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags

from srlab.io.description import RGB_COLOURS, Channel
from srlab.io.raster.tags import lasting
from srlab.io.selection import chosen
from srlab.io.stored import holds

_PICTURES = ("BMP", "GIF", "JPEG", "PNG", "WEBP")
_LETTERS = {**{colour: name for name, colour in RGB_COLOURS.items()}, "alpha": "A"}
"""The name of a band without a name of its own, by its colour."""

_GREY = "Y"
_BYTE = np.dtype(np.uint8)


@dataclass(frozen=True)
class Band:
    """A channel, and where GDAL finds it."""

    channel: Channel

    index: int
    """The band in the file, or the column in its colour table, from 1."""

    empty_pixels: bool = False
    """Whether the file marks pixels as empty, by a value or by a mask."""


def describe(dataset: Any, table: NDArray[np.uint8] | None) -> tuple[Band, ...]:
    """Return the bands of an open file in its order, or those of its colour table."""
    if table is not None:
        return _table_bands(table.shape[1])
    names = _names(dataset)
    return tuple(_describe(dataset, index, names[index - 1]) for index in dataset.indexes)


def _describe(dataset: Any, index: int, name: str) -> Band:
    at = index - 1
    dtype = np.dtype(dataset.dtypes[at])
    flags, nodata = dataset.mask_flag_enums[at], dataset.nodatavals[at]
    # A mask made of several bands' values, such as a transparent colour, is no nodata value.
    if nodata is not None and (MaskFlags.per_dataset in flags or not holds(dtype, nodata)):
        nodata = None
    by_mask = MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags
    channel = Channel(
        name=name,
        unit=dataset.units[at] or dataset.tags(index).get("units", ""),  # the latter of HDF5
        dtype=dtype,
        scale=dataset.scales[at],
        offset=dataset.offsets[at],
        nodata=nodata,
        masked=by_mask,
        colour=_colour(dataset.colorinterp[at]),
        description=dataset.descriptions[at],
        tags=lasting(dataset.tags(index)),
    )
    return Band(channel, index, empty_pixels=by_mask or nodata is not None)


def colour_table(dataset: Any) -> NDArray[np.uint8] | None:
    """Return the table ``(entries, C)`` that turns stored indices into colours, or None.

    ``C`` is 3 for RGB, 4 where an entry is transparent, and 1 where all are grey. That is so in
    BMPs, and in PNGs of 1, 2 or 4 bits, whose greys GDAL leaves at 0 to 1, 3 or 15.
    """
    if dataset.count != 1 or np.dtype(dataset.dtypes[0]).kind != "u":
        return None
    if dataset.colorinterp[0] is ColorInterp.palette:
        colours = dataset.colormap(1)
        table = np.zeros((np.iinfo(dataset.dtypes[0]).max + 1, 4), np.uint8)
        table[list(colours)] = list(colours.values())
        if dataset.nodata is not None and holds(np.dtype(dataset.dtypes[0]), dataset.nodata):
            table[int(dataset.nodata), 3] = 0
        named = table[list(colours)]
        transparent = (named[:, 3] < 255).any()
        if not transparent and (named[:, :1] == named[:, 1:3]).all():
            return table[:, :1]
        return table[:, : 3 + int(transparent)]
    bits = int(dataset.tags(1, ns="IMAGE_STRUCTURE").get("NBITS", 8))
    if dataset.driver == "PNG" and bits < 8:
        return np.linspace(0, 255, 2**bits).astype(np.uint8)[:, None]
    return None


def _table_bands(columns: int) -> tuple[Band, ...]:
    if columns == 1:
        return (Band(Channel(_GREY, dtype=_BYTE, colour="grey"), 1),)
    colours = [Channel(_LETTERS[colour], dtype=_BYTE, colour=colour) for colour in _LETTERS]
    return tuple(Band(channel, at) for at, channel in enumerate(colours[:columns], start=1))


def select(
    bands: tuple[Band, ...], wanted: Sequence[int | str] | None, path: object
) -> tuple[Band, ...]:
    """Return the `wanted` bands, by number from 1 or by name, in that order; None for all."""
    names = [band.channel.name for band in bands]
    return tuple(bands[place] for place in chosen(names, wanted, path))


def unchosen_alpha(bands: tuple[Band, ...], chosen: tuple[Band, ...]) -> int | None:
    """Return the number of the band that holds the transparency, or None.

    An alpha band that was itself chosen is data. GDAL calls the fourth band of many files alpha,
    which may be near infrared beside red, green and blue.
    """
    found = [band.index for band in bands if band.channel.colour == "alpha"]
    if not found or any(band.index in found for band in chosen):
        return None
    return found[0]


def masked(band: Band) -> Band:
    """Return a band whose empty pixels are marked by a mask, unless a value marks them."""
    by_mask = band.channel.nodata is None
    return replace(band, channel=replace(band.channel, masked=by_mask))


def per_band(values: Sequence[float]) -> NDArray[np.float64]:
    """Return a number for each band in the shape ``(C, 1, 1)``."""
    return np.array(values, np.float64)[:, None, None]


def stored_name(channel: Channel) -> str | None:
    """Return the description to store, or None where a reader finds the same name without it."""
    automatic = channel.name.isdigit() or channel.name in (_GREY, *_LETTERS.values())
    if channel.description or automatic:
        return channel.description
    return channel.name


def colour_interpretation(channel: Channel) -> ColorInterp:
    """Return GDAL's word for a channel's colour."""
    if channel.colour == "grey":
        return ColorInterp.gray
    return ColorInterp[channel.colour or "undefined"]


def _colour(interpretation: ColorInterp) -> str:
    ours = {"gray": "grey", "undefined": "", "palette": ""}
    name: str = interpretation.name
    return ours.get(name, name)


def _names(dataset: Any) -> list[str]:
    """Return descriptions; where there is none the colour; where that is not unique the number."""
    letters = dict(_LETTERS)
    if dataset.driver in _PICTURES:
        letters["grey"] = _GREY
    colours = [letters.get(_colour(colour), "") for colour in dataset.colorinterp]
    names = []
    for description, colour, index in zip(
        dataset.descriptions, colours, dataset.indexes, strict=True
    ):
        if colours.count(colour) > 1:
            colour = ""
        names.append(description or colour or str(index))
    return names
