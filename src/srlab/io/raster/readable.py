"""Checks of files that GDAL opens, but that are not an image to super-resolve."""

from __future__ import annotations

from typing import Any

import numpy as np
from rasterio.enums import ColorInterp

from srlab.files import PathLike, is_remote
from srlab.io.damage import check_block_size, damaged
from srlab.io.raster.jpeg2000 import HEAD, tile_shape
from srlab.mistakes import Mistake


def check_readable(dataset: Any, path: PathLike) -> None:
    """Raise a `Mistake` unless an open file is a single image of real numbers.

    Its blocks must fit into memory, and its colours must be ones that GDAL reads correctly.
    """
    _check_images(dataset, path)
    _check_size(dataset, path)
    _check_numbers(dataset, path)
    _check_colours(dataset, path)
    _check_block(dataset, path)


def _check_images(dataset: Any, path: PathLike) -> None:
    parts = dataset.subdatasets
    # Further parts of a picture are thumbnails. Those of a TIFF are pages of the same rank.
    if not dataset.count or (dataset.driver == "GTiff" and len(parts) > 1):
        named = ""
        if parts:
            driver, _, rest = parts[0].partition(":")
            named = f", such as {driver.upper()}:{rest}"
        raise Mistake(
            f"{path} holds {len(parts)} images, and one is wanted: name it as GDAL does{named}."
        )


def _check_size(dataset: Any, path: PathLike) -> None:
    if min(dataset.shape) < 1:
        sizes = " x ".join(map(str, dataset.shape))
        raise damaged(path, f"its header says {sizes} pixels")


def _check_numbers(dataset: Any, path: PathLike) -> None:
    if "complex" in " ".join(dataset.dtypes):
        raise Mistake(
            f"{path} holds complex numbers: write their magnitude to a file of float32 first."
        )


def _check_colours(dataset: Any, path: PathLike) -> None:
    """Raise a `Mistake` for colours that GDAL reads as something else."""
    stored = dataset.tags(ns="IMAGE_STRUCTURE").get("SOURCE_COLOR_SPACE", "")
    if stored in ("CMYK", "CIELAB"):
        raise Mistake(
            f"{path} holds colours as {stored}, and RGB is wanted: convert it by its own profile "
            "first, in a photo editor."
        )
    colours = dataset.colorinterp
    if colours[0] is ColorInterp.palette and dataset.crs:
        raise Mistake(
            f"{path} is a map of classes: its values are entries of a colour table, and nothing "
            "lies between two entries. Give measured values, or a picture of the map in RGB."
        )
    if dataset.driver != "GIF" and len(colours) > 1 and ColorInterp.palette in colours:
        raise Mistake(
            f"{path} holds a palette and further bands: save it as RGB or RGBA first, in a photo "
            "editor."
        )
    kinds = [dataset.tags(band, ns="IMAGE_STRUCTURE").get("ALPHA") for band in dataset.indexes]
    if "PREMULTIPLIED" in kinds:
        raise Mistake(
            f"{path} holds colours that are multiplied by their opacity: save it with straight "
            "(unassociated) alpha first, in a photo editor."
        )


def _check_block(dataset: Any, path: PathLike) -> None:
    height, width = dataset.block_shapes[0]
    if dataset.driver == "JP2OpenJPEG" and not is_remote(path):
        with open(path, "rb") as file:
            height, width = tile_shape(file.read(HEAD)) or (height, width)
    itemsize = np.dtype(dataset.dtypes[0]).itemsize
    if dataset.tags(ns="IMAGE_STRUCTURE").get("INTERLEAVE") == "PIXEL":
        itemsize *= dataset.count
    advice = "store it in tiles, as gdal_translate -co TILED=YES does"
    check_block_size(path, (height, width), itemsize, advice)
