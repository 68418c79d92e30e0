"""The reader of netCDF and HDF5 files, which hold many arrays; GDAL calls them subdatasets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.files import PathLike, existing_file
from srlab.io.damage import CHECK_ENDING
from srlab.io.description import Channel
from srlab.io.raster.classic_netcdf import check_classic_header
from srlab.io.raster.gdal import gdal
from srlab.io.raster.reader import RasterReader
from srlab.io.variables import Part, Variable, check_one_grid, choose

_UNNAMED = "__xarray_dataarray_variable__"
"""The name that xarray gives to a variable without one."""


class SubdatasetReader:
    """A reader of variables in a netCDF or HDF5 file, by CF's scale, offset and fill value.

    `bands` are names of variables, such as ``[B04, B03]``, or a band of a variable, such as
    ``im10:2``. All must lie on one grid. If the file has a single variable, numbers from 1 choose
    its bands, and None chooses all of them. MATLAB's arrays are transposed back.

    Raises a `Mistake` if there is no such file, variable or band. Also raises one if nothing is
    chosen among several variables.
    """

    def __init__(self, path: PathLike, *, bands: Sequence[int | str] | None = None) -> None:
        self.path = existing_file(path)
        check_classic_header(self.path)
        self._chosen = bands and list(bands)
        with gdal(f"{path} cannot be read as netCDF or HDF5", advice=CHECK_ENDING):
            variables = list(_variables(self.path))
        parts = choose(variables, bands, path)
        self._readers = [
            RasterReader(part.variable.target, bands=list(part.numbers)) for part in parts
        ]
        descriptions = [reader.description for reader in self._readers]
        check_one_grid(parts, [(each.shape, each.geometry) for each in descriptions], path)
        channels: list[Channel] = []
        for part, reader in zip(parts, self._readers, strict=True):
            channels.extend(_channels(part, reader))
        self.description = descriptions[0].with_channels(channels)

    def __str__(self) -> str:
        return str(self.path)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(SubdatasetReader, bands=self._chosen), (str(self.path),)

    def read(self, window: Window) -> NDArray[np.float32]:
        """Read ``(C, *window)`` in physical units, NaN where there is no data."""
        return np.concatenate([reader.read(window) for reader in self._readers])

    def close(self) -> None:
        """Release the file."""
        for reader in self._readers:
            reader.close()


def _variables(path: Path) -> Iterator[Variable]:
    with rasterio.open(path) as dataset:
        if dataset.count:  # the file has a single variable, which GDAL has opened
            name = dataset.tags(1).get("NETCDF_VARNAME", "")
            yield Variable("" if name == _UNNAMED else name, dataset.count, str(path))
            return
        parts = dataset.tags(ns="SUBDATASETS")
        targets = [value for key, value in parts.items() if key.endswith("_NAME")]
    for target in targets:
        with rasterio.open(target) as dataset:
            yield Variable(target.rpartition('":')[2].lstrip("/"), dataset.count, target)


def _channels(part: Part, reader: RasterReader) -> Iterator[Channel]:
    for number, channel in zip(part.numbers, reader.description.channels, strict=True):
        if channel.description or not part.variable.name:
            yield channel
        else:
            yield replace(channel, name=part.variable.band_name(number))
