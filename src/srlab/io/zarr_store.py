"""Zarr stores: a microscope's image, plain arrays or a raster, which only the store tells."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from srlab.files import PathLike, file_and_image
from srlab.io.array.axes import stated
from srlab.io.description import Description
from srlab.io.protocols import Provenance, Reader, Writer
from srlab.mistakes import Mistake

OF_SEVERAL = {"plate", "well", "bioformats2raw.layout"}
"""The attributes of an OME-Zarr of several images, of which it has one."""


def open_zarr(path: PathLike, *, bands: Sequence[int | str] | None = None) -> Reader:
    """Open an OME-Zarr as a stack, and any other store as a raster.

    A store whose name states axes, such as ``x.zyx.zarr``, holds plain arrays.
    """
    # Readers are imported where they are used, since each imports a large library.
    name, image = file_and_image(path)
    store = Path(os.path.expanduser(name))
    if image and (stated(store) or not _is_ome_zarr(store)):
        raise Mistake(
            f"{name} holds arrays, and no images of a microscope: leave #{image} out, and choose "
            "arrays by bands=[…]."
        )
    if stated(store):
        from srlab.io.array.zarr import open_arrays

        return open_arrays(path, bands=bands)
    if _is_ome_zarr(store):
        from srlab.io.microscopy.ome_zarr_reader import OmeZarrReader

        return OmeZarrReader(path, bands=bands)
    from srlab.io.raster.zarr.reader import ZarrReader

    return ZarrReader(path, bands=bands)


def create_zarr(
    path: Path, description: Description, *, provenance: Provenance, compression: str = "zstd"
) -> Writer:
    """Return a writer of plain arrays if the name states axes, and otherwise of a raster."""
    if stated(path):
        from srlab.io.array.zarr import create_arrays

        return create_arrays(path, description, provenance=provenance, compression=compression)
    from srlab.io.raster.zarr.writer import ZarrWriter

    return ZarrWriter(path, description, provenance=provenance, compression=compression)


def _is_ome_zarr(store: Path) -> bool:
    """Whether the store's attributes are those of an OME-Zarr; False if they are damaged."""
    try:
        if (store / ".zattrs").exists():
            attributes = json.loads((store / ".zattrs").read_text())
            if OF_SEVERAL & attributes.keys():
                return True
            # Pyramids of rasters have "multiscales" as well, but without axes.
            return "axes" in attributes["multiscales"][0]
        attributes = json.loads((store / "zarr.json").read_text()).get("attributes", {})
        return "ome" in attributes
    except (OSError, ValueError, AttributeError, TypeError, LookupError):
        return False
