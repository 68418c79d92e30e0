"""The opening of rasters, in another process where HDF5's and netCDF's libraries read them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from srlab.files import PathLike, existing_file, is_remote
from srlab.io.isolated import IsolatedReader
from srlab.io.protocols import Reader
from srlab.io.raster.reader import RasterReader
from srlab.io.raster.subdatasets import SubdatasetReader

_HDF5 = b"\x89HDF\r\n\x1a\n"
_NETCDF = b"CDF"
_NAMED = re.compile(r"netcdf:|hdf5|\.(nc4?|h5|he5|mat|vrt)\b", re.IGNORECASE)
"""Names of such files, and those of virtual rasters, which may name others in turn."""


def open_raster(path: PathLike, *, bands: Sequence[int | str] | None = None) -> Reader:
    """Open what GDAL reads; in another process if it, or a part of it, is HDF5 or netCDF.

    Damaged HDF5 crashes its library now and then.
    """
    if _may_crash(path):
        return IsolatedReader(RasterReader, path, bands=bands)
    return RasterReader(path, bands=bands)


def open_variables(path: PathLike, *, bands: Sequence[int | str] | None = None) -> Reader:
    """Open a netCDF or HDF5 file in another process; see `SubdatasetReader`."""
    return IsolatedReader(SubdatasetReader, path, bands=bands)


def _may_crash(path: PathLike) -> bool:
    if is_remote(path):
        return _NAMED.search(str(path)) is not None
    file = existing_file(path)
    if file.suffix.lower() == ".vrt" and _NAMED.search(file.read_text(errors="replace")):
        return True
    return _begins_as_hdf5(file)


def _begins_as_hdf5(path: Path) -> bool:
    """Whether a file is HDF5 or classic netCDF, whatever its name.

    HDF5 may begin at byte 0, 512, 1024 and so on, doubled each time (HDF5 File Format
    Specification 3.0, II.A).
    """
    size, place = path.stat().st_size, 0
    with path.open("rb") as file:
        if file.read(len(_NETCDF)) == _NETCDF:
            return True
        while place < size:
            file.seek(place)
            if file.read(len(_HDF5)) == _HDF5:
                return True
            place = max(512, 2 * place)
    return False
