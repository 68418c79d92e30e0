"""What a raster file says of its bands: names, units, how values are stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.io import DatasetReader

from srlab.io.stored import holds
from srlab.mistakes import Mistake

_STALE_TAGS = (
    "STATISTICS_",
    "EXIF_Orientation",
    "EXIF_Pixel",
    "NODATA_VALUES",
    "TIFFTAG_XRES",
    "TIFFTAG_YRES",
    "TIFFTAG_RES",
)
"""What no longer holds for the output: it has other pixels, turned upright, of another number and size, and a mask."""

_PICTURES = ("BMP", "GIF", "JPEG", "PNG", "WEBP")
_COLOURS = {
    ColorInterp.red: "R",
    ColorInterp.green: "G",
    ColorInterp.blue: "B",
    ColorInterp.alpha: "A",
}
_PALETTE_COLOURS = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha)


@dataclass(frozen=True)
class Band:
    """One channel of a raster; `index`, from 1, is its band in the file, or its column in the colour table."""

    index: int
    name: str
    dtype: np.dtype[Any]
    description: str | None = None
    nodata: float | None = None
    scale: float = 1.0
    offset: float = 0.0
    unit: str = ""
    colour: ColorInterp = ColorInterp.undefined
    tags: dict[str, str] = field(default_factory=dict)
    masked: bool = False
    """Whether the file marks pixels as empty, by the nodata value or by a mask."""


def describe(dataset: DatasetReader) -> tuple[Band, ...]:
    """Return the bands of an open file, in its order, colour tables apart."""
    names = _names(dataset)
    bands = []
    for index in dataset.indexes:
        at = index - 1
        dtype = np.dtype(dataset.dtypes[at])
        flags, nodata, colour = (
            dataset.mask_flag_enums[at],
            dataset.nodatavals[at],
            dataset.colorinterp[at],
        )
        # a per-dataset mask made of several bands' values, as a transparent colour, is no nodata value
        own = nodata is not None and MaskFlags.per_dataset not in flags and holds(dtype, nodata)
        bands.append(
            Band(
                index=index,
                name=names[at],
                dtype=dtype,
                description=dataset.descriptions[at],
                nodata=nodata if own else None,
                scale=dataset.scales[at],
                offset=dataset.offsets[at],
                unit=dataset.units[at] or "",
                colour=ColorInterp.undefined if colour is ColorInterp.palette else colour,
                tags=dataset.tags(index),
                masked=own or (MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags),
            )
        )
    return tuple(bands)


def colour_table(dataset: DatasetReader) -> NDArray[np.uint8] | None:
    """Return the table ``(entries, C)`` that turns stored indices into colours, or None where there is none.

    ``C`` is 3 for RGB, 4 where an entry is transparent, and 1 for PNGs of 1, 2 or 4 bits, whose greys GDAL leaves
    at 0 to 1, 3 or 15.
    """
    if dataset.count != 1 or np.dtype(dataset.dtypes[0]).kind != "u":
        return None
    if dataset.colorinterp[0] is ColorInterp.palette:
        colours = dataset.colormap(1)
        table = np.zeros((np.iinfo(dataset.dtypes[0]).max + 1, 4), np.uint8)
        table[list(colours)] = list(colours.values())
        if dataset.nodata is not None and holds(np.dtype(dataset.dtypes[0]), dataset.nodata):
            table[int(dataset.nodata), 3] = 0
        transparent = (table[list(colours), 3] < 255).any()
        return table if transparent else table[:, :3]
    bits = int(dataset.tags(1, ns="IMAGE_STRUCTURE").get("NBITS", 8))
    if dataset.driver == "PNG" and bits < 8:
        return np.linspace(0, 255, 2**bits).astype(np.uint8)[:, None]
    return None


def table_bands(colours: int) -> tuple[Band, ...]:
    """Return the bands that a colour table of so many columns is expanded to."""
    if colours == 1:
        return (Band(1, "Y", np.dtype(np.uint8), colour=ColorInterp.gray),)
    return tuple(
        Band(column, _COLOURS[colour], np.dtype(np.uint8), colour=colour)
        for column, colour in enumerate(_PALETTE_COLOURS[:colours], start=1)
    )


def select(
    bands: tuple[Band, ...], wanted: Sequence[int | str] | None, path: object
) -> tuple[Band, ...]:
    """Return the `wanted` bands, by number from 1 or by name, in that order; None for all."""
    if wanted is None:
        return bands
    if isinstance(wanted, str) or not wanted:
        raise Mistake(
            f"bands is {wanted!r}; give a list of numbers from 1 or of names, as [1, 2, 3]."
        )
    return tuple(_find(bands, entry, path) for entry in wanted)


def per_band(bands: Sequence[Band], what: str) -> NDArray[np.float64]:
    """Return the bands' `what`, as ``scale`` or ``offset``, in the shape ``(C, 1, 1)``."""
    return np.array([getattr(band, what) for band in bands], np.float64)[:, None, None]


def fresh(tags: dict[str, str]) -> dict[str, str]:
    """Return the tags that still hold for other pixels of the same scene."""
    return {key: value for key, value in tags.items() if not key.startswith(_STALE_TAGS)}


def _find(bands: tuple[Band, ...], wanted: int | str, path: object) -> Band:
    names = ", ".join(band.name for band in bands)
    if isinstance(wanted, int):
        if not 1 <= wanted <= len(bands):
            raise Mistake(
                f"{path} has no band {wanted}: its bands are 1 to {len(bands)}, named {names}."
            )
        return bands[wanted - 1]
    found = [band for band in bands if band.name == wanted]
    found = found or [band for band in bands if band.name.casefold() == wanted.casefold()]
    if len(found) != 1:
        problem = "several bands" if found else "no band"
        raise Mistake(
            f"{path} has {problem} named {wanted!r}: choose from {names}, or by number from 1."
        )
    return found[0]


def _names(dataset: DatasetReader) -> list[str]:
    """Return descriptions; where there is none the colour, and where that is not unique the number."""
    colours = [_COLOURS.get(colour, "") for colour in dataset.colorinterp]
    if dataset.driver in _PICTURES:
        colours = [
            "Y" if colour is ColorInterp.gray else name
            for colour, name in zip(dataset.colorinterp, colours, strict=True)
        ]
    return [
        description or (colour if colours.count(colour) == 1 and colour else str(index))
        for description, colour, index in zip(
            dataset.descriptions, colours, dataset.indexes, strict=True
        )
    ]
