"""Zarr stores: a microscope's image, plain arrays or a raster, which only the store tells."""

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
    """Open an OME-Zarr as a stack, and any other store as a raster.

    A store whose name states axes, such as ``x.zyx.zarr``, holds plain arrays.
    """
    # Readers are imported where they are used, since each imports a large library.
    store = Path(os.path.expanduser(path))
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
            # Pyramids of rasters have "multiscales" as well, but without axes.
            return "plate" in attributes or "axes" in attributes["multiscales"][0]
        attributes = json.loads((store / "zarr.json").read_text()).get("attributes", {})
        return "ome" in attributes
    except (OSError, ValueError, AttributeError, TypeError, LookupError):
        return False
