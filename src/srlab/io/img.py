"""Files with the suffix ``.img``: rasters of several programs, or one half of a volume.

Analyze and some NIfTI volumes are pairs of files: ``.hdr`` is the header, ``.img`` the voxels.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from srlab.files import PathLike
from srlab.io.protocols import Reader
from srlab.mistakes import Mistake

HEADER_SIZES = (348, 540)
"""The first number of a volume's header is its size: 348 in Analyze and NIfTI-1, 540 in NIfTI-2."""


def open_img(path: PathLike, *, bands: Sequence[int | str] | None = None) -> Reader:
    """Open a raster; a `Mistake` if the file is the voxels of a volume with its own header."""
    header = Path(os.path.expanduser(path)).with_suffix(".hdr")
    if _is_of_volume(header):
        raise Mistake(f"{path} holds the voxels of a volume in two files: name {header.name}.")
    # Imported here, since GDAL takes long to import.
    from srlab.io.raster.opening import open_raster

    return open_raster(path, bands=bands)


def _is_of_volume(header: Path) -> bool:
    try:
        with header.open("rb") as file:
            first = file.read(4)
    except OSError:  # no such file, or no permission to read it
        return False
    return any(int.from_bytes(first, order) in HEADER_SIZES for order in ("little", "big"))
