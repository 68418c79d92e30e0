"""Zarr stores by what they hold: a microscope's image, plain arrays or a raster."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from srlab.files import PathLike
from srlab.io.array.axes import stated
from srlab.io.description import Description
from srlab.io.protocols import Provenance, Reader, Writer


def open_zarr(path: PathLike, *, bands: Sequence[int | str] | None = None) -> Reader:
    """Open what calls itself an OME-Zarr as a stack, and any other store as a raster.

    A name that states axes, such as ``x.zyx.zarr``, is for plain arrays.
    """
    # Each of these imports a large library.
    store = Path(os.path.expanduser(path))
    if stated(store):
        from srlab.io.array.zarr import open_arrays

        return open_arrays(path, bands=bands)
    if _is_image(store):
        from srlab.io.microscopy.ome_zarr_reader import OmeZarrReader

        return OmeZarrReader(path, bands=bands)
    from srlab.io.raster.zarr.reader import ZarrReader

    return ZarrReader(path, bands=bands)


def create_zarr(
    path: Path, description: Description, *, provenance: Provenance, compression: str = "zstd"
) -> Writer:
    """Return the writer of plain arrays if a name states axes, and otherwise that of a raster."""
    if stated(path):
        from srlab.io.array.zarr import create_arrays

        return create_arrays(path, description, provenance=provenance, compression=compression)
    from srlab.io.raster.zarr.writer import ZarrWriter

    return ZarrWriter(path, description, provenance=provenance, compression=compression)


def _is_image(store: Path) -> bool:
    """Whether the store's attributes say so; what is damaged is left to the reader to tell."""
    try:
        if (store / ".zattrs").exists():
            attributes = json.loads((store / ".zattrs").read_text())
            # Pyramids of rasters have multiscales, too, but these name no axes.
            return "plate" in attributes or "axes" in attributes["multiscales"][0]
        attributes = json.loads((store / "zarr.json").read_text()).get("attributes", {})
        return "ome" in attributes
    except (OSError, ValueError, AttributeError, TypeError, LookupError):
        return False
