"""Zarr stores by what they hold: a microscope's image or a raster."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from srlab.files import PathLike
from srlab.io.protocols import Reader


def open_zarr(path: PathLike, *, bands: Sequence[int | str] | None = None) -> Reader:
    """Open what calls itself an OME-Zarr as a stack, and any other store as a raster."""
    # Each of the two imports a large library.
    if _is_image(Path(os.path.expanduser(path))):
        from srlab.io.microscopy.ome_zarr_reader import OmeZarrReader

        return OmeZarrReader(path, bands=bands)
    from srlab.io.raster.zarr.reader import ZarrReader

    return ZarrReader(path, bands=bands)


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
