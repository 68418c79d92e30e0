"""Files in ``.img``: rasters of several programs, or the voxels of a volume in two files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from srlab.files import PathLike
from srlab.io.protocols import Reader
from srlab.mistakes import Mistake

HEADER_SIZES = (348, 540)
"""The first number in a header: its own size, of Analyze and NIfTI-1, and of NIfTI-2."""


def open_img(path: PathLike, *, bands: Sequence[int | str] | None = None) -> Reader:
    """Open a raster by GDAL; a `Mistake` where a volume's header lies beside the file."""
    header = Path(os.path.expanduser(path)).with_suffix(".hdr")
    if _is_of_volume(header):
        raise Mistake(f"{path} holds the voxels of a volume in two files: name {header.name}.")
    # Rasters import a large library.
    from srlab.io.raster.opening import open_raster

    return open_raster(path, bands=bands)


def _is_of_volume(header: Path) -> bool:
    try:
        with header.open("rb") as file:
            first = file.read(4)
    except OSError:  # there is none, or it may not be read
        return False
    return any(int.from_bytes(first, order) in HEADER_SIZES for order in ("little", "big"))
