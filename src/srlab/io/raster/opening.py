"""The choice of a reader for a raster; HDF5 and netCDF are read in another process.

Their libraries sometimes crash over damaged files.
"""

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
"""Names of such files, and of virtual rasters (``.vrt``), which may refer to such files."""


def open_raster(path: PathLike, *, bands: Sequence[int | str] | None = None) -> Reader:
    """Open a file that GDAL reads, in another process if it may be HDF5 or netCDF."""
    if _may_crash(path):
        return IsolatedReader(RasterReader, path, bands=bands)
    return RasterReader(path, bands=bands)


def open_variables(path: PathLike, *, bands: Sequence[int | str] | None = None) -> Reader:
    """Open arrays of a netCDF or HDF5 file, in another process; see `SubdatasetReader`."""
    return IsolatedReader(SubdatasetReader, path, bands=bands)


def _may_crash(path: PathLike) -> bool:
    if is_remote(path):
        return _NAMED.search(str(path)) is not None
    file = existing_file(path)
    if file.suffix.lower() == ".vrt" and _NAMED.search(file.read_text(errors="replace")):
        return True
    return _is_hdf5_or_netcdf(file)


def _is_hdf5_or_netcdf(path: Path) -> bool:
    """Whether a file is HDF5 or classic netCDF by its content.

    HDF5 may begin at byte 0, 512, 1024, 2048 and so on (HDF5 File Format Specification 3.0, II.A).
    """
    size, start = path.stat().st_size, 0
    with path.open("rb") as file:
        if file.read(len(_NETCDF)) == _NETCDF:
            return True
        while start < size:
            file.seek(start)
            if file.read(len(_HDF5)) == _HDF5:
                return True
            start = max(512, 2 * start)
    return False
