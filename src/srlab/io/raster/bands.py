"""The bands of a raster file as channels: their names, units, types and colours."""

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
"""GDAL's drivers of photographs."""

_LETTERS = {**{colour: name for name, colour in RGB_COLOURS.items()}, "alpha": "A"}
"""The name of a band without a name of its own, by its colour."""

_GREY = "Y"
"""The name of a photograph's grey band."""

_BYTE = np.dtype(np.uint8)


@dataclass(frozen=True)
class Band:
    """A channel of a file, and where GDAL finds it."""

    channel: Channel

    index: int
    """The number of the band in the file, or of the column in its colour table, from 1."""

    empty_pixels: bool = False
    """Whether the file marks pixels as empty, by a value or by a mask."""


def describe(dataset: Any, table: NDArray[np.uint8] | None) -> tuple[Band, ...]:
    """Return the bands of an open file, or those of its colour table, if it has one."""
    if table is not None:
        return _table_bands(table.shape[1])
    names = _names(dataset)
    return tuple(_describe(dataset, index, names[index - 1]) for index in dataset.indexes)


def _describe(dataset: Any, index: int, name: str) -> Band:
    position = index - 1
    dtype = np.dtype(dataset.dtypes[position])
    flags, nodata = dataset.mask_flag_enums[position], dataset.nodatavals[position]
    has_shared_mask = MaskFlags.per_dataset in flags
    # A transparent colour, which is a value of several bands together, is no nodata value.
    if nodata is not None and (has_shared_mask or not holds(dtype, nodata)):
        nodata = None
    by_mask = has_shared_mask and MaskFlags.alpha not in flags
    channel = Channel(
        name=name,
        unit=dataset.units[position] or dataset.tags(index).get("units", ""),  # the tag of HDF5
        dtype=dtype,
        scale=dataset.scales[position],
        offset=dataset.offsets[position],
        nodata=nodata,
        masked=by_mask,
        colour=_colour(dataset.colorinterp[position]),
        description=dataset.descriptions[position],
        tags=lasting(dataset.tags(index)),
    )
    return Band(channel, index, empty_pixels=by_mask or nodata is not None)


def colour_table(dataset: Any) -> NDArray[np.uint8] | None:
    """Return the table ``(entries, C)`` that turns stored indices into colours, or None.

    ``C`` is 1 if all entries are opaque greys, 4 if an entry is transparent, and otherwise 3. A
    grey PNG of 1, 2 or 4 bits gets a table, too: GDAL reads its greys as 0 to 1, 3 or 15, instead
    of 0 to 255.
    """
    if dataset.count != 1 or np.dtype(dataset.dtypes[0]).kind != "u":
        return None
    if dataset.colorinterp[0] is ColorInterp.palette:
        return _palette(dataset)
    bits = int(dataset.tags(1, ns="IMAGE_STRUCTURE").get("NBITS", 8))
    if dataset.driver == "PNG" and bits < 8:
        return np.linspace(0, 255, 2**bits).astype(np.uint8)[:, None]
    return None


def _palette(dataset: Any) -> NDArray[np.uint8]:
    """Return the colour table of an open file, with the nodata value as a transparent entry."""
    dtype = np.dtype(dataset.dtypes[0])
    colours = dataset.colormap(1)
    entries = list(colours)
    table = np.zeros((np.iinfo(dtype).max + 1, 4), np.uint8)
    table[entries] = list(colours.values())
    if dataset.nodata is not None and holds(dtype, dataset.nodata):
        table[int(dataset.nodata), 3] = 0
    has_transparency = bool((table[entries, 3] < 255).any())
    is_grey = bool((table[entries, :1] == table[entries, 1:3]).all())
    if is_grey and not has_transparency:
        return table[:, :1]
    return table[:, : 3 + int(has_transparency)]


def _table_bands(columns: int) -> tuple[Band, ...]:
    if columns == 1:
        return (Band(Channel(_GREY, dtype=_BYTE, colour="grey"), 1),)
    bands = []
    for number, (colour, name) in enumerate(_LETTERS.items(), start=1):
        bands.append(Band(Channel(name, dtype=_BYTE, colour=colour), number))
    return tuple(bands[:columns])


def select(
    bands: tuple[Band, ...], wanted: Sequence[int | str] | None, path: object
) -> tuple[Band, ...]:
    """Return the `wanted` bands, chosen by number from 1 or by name; None for all."""
    names = [band.channel.name for band in bands]
    return tuple(bands[index] for index in chosen(names, wanted, path))


def unchosen_alpha(bands: tuple[Band, ...], chosen: tuple[Band, ...]) -> int | None:
    """Return the number of the alpha band, if it marks empty pixels; otherwise None.

    An alpha band that is itself among the chosen ones is data. GDAL calls the fourth band of many
    files alpha, although it may be near infrared beside red, green and blue.
    """
    alphas = [band.index for band in bands if band.channel.colour == "alpha"]
    if not alphas or any(band.index in alphas for band in chosen):
        return None
    return alphas[0]


def masked(band: Band) -> Band:
    """Return a band whose empty pixels are marked by a mask, unless it has a nodata value."""
    by_mask = band.channel.nodata is None
    return replace(band, channel=replace(band.channel, masked=by_mask))


def per_band(values: Sequence[float]) -> NDArray[np.float64]:
    """Return a number for each band as an array ``(C, 1, 1)``."""
    return np.array(values, np.float64)[:, None, None]


def stored_name(channel: Channel) -> str | None:
    """Return the description to store, or None if a reader gives the same name without one."""
    is_automatic = channel.name.isdigit() or channel.name in (_GREY, *_LETTERS.values())
    if channel.description or is_automatic:
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
    """Return the name of each band: its description, or else its colour, or else its number.

    A colour that several bands have is no name.
    """
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
