"""The reader of microscopes' TIFF files: OME-TIFF, ImageJ's hyperstacks and plain stacks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from tifffile import TiffFile

from srlab.axes import Window
from srlab.files import PathLike, existing_file, file_and_image, with_image
from srlab.io.damage import CHECK_ENDING, check_block_size, damage_as_mistake, empty, unreadable
from srlab.io.description import Axis, Description
from srlab.io.handle import ProcessHandle
from srlab.io.images import chosen_image
from srlab.io.microscopy.channels import named_channels
from srlab.io.microscopy.contiguous import ContiguousPixels
from srlab.io.microscopy.metadata import (
    Metadata,
    check_companions,
    check_planes,
    images_of_ome,
    of_imagej,
    of_ome,
)
from srlab.io.selection import chosen
from srlab.io.stored import without_infinities
from srlab.io.windows import check_window
from srlab.mistakes import Mistake

SPACE_AND_TIME = "TZYX"
"""tifffile's letters for time and space."""

CHANNELS = "CS"
"""tifffile's letters for channels, and for the samples of a pixel."""

PAGES = "IQ"
"""tifffile's letters for pages whose meaning the file does not tell; they are taken for z."""


class StackReader:
    """A reader of a TIFF with any of the axes T, C, Z, Y and X.

    The samples of a pixel count as channels. Axes with a single entry are left out, except y and x.
    Names, colours, pixel sizes and the time step are those of OME-XML or of ImageJ's description.
    Of a pyramid, the finest level is read. Of several images, the path chooses one, such as
    ``a.ome.tif#cell``.

    Raises a `Mistake` if there is no such file or image, or tifffile cannot open it. Also
    raises one if nothing is chosen among several images, for complex numbers, and for planes in
    missing files.
    """

    def __init__(self, path: PathLike, *, bands: Sequence[int | str] | None = None) -> None:
        name, wanted = file_and_image(path)
        self.path = existing_file(name)
        self._handle = ProcessHandle(partial(_OpenStack, self.path, wanted), _OpenStack.close)
        failure = f"{path} is not a TIFF that tifffile can read"
        with damage_as_mistake(failure, advice=CHECK_ENDING), TiffFile(self.path) as file:
            _check_parts(file, name)
            chosen_series = chosen_image([series.name for series in file.series], wanted, name)
            self._image = chosen_series.name
            series = _whole_series(file, chosen_series.index, name)
            self._axes = series.axes
            sizes = dict(zip(series.axes, series.shape, strict=True))
            _check_axes(sizes, str(path))
            metadata = _metadata(file, chosen_series.index)
            whole = _described(metadata, series, sizes, str(path))
            chunks, dtype = series.keyframe.chunks, whole.channels[0].dtype
            check_block_size(path, chunks, dtype.itemsize, "save it in tiles")
        self._indices = chosen(whole.names, bands, path)
        self._bands = bands and list(bands)
        self.description = whole.subset(self._indices)

    def __str__(self) -> str:
        return with_image(self.path, self._image)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(StackReader, bands=self._bands), (str(self),)

    def read(self, window: Window) -> NDArray[np.float32]:
        """Read ``(C, *window)`` as stored, NaN where a value is not finite.

        Raises a `Mistake` if the window is not inside the image, or the file is damaged there.
        """
        check_window(window, self.description.shape)
        spans = {
            axis.name.upper(): span
            for axis, span in zip(self.description.axes, window, strict=True)
        }
        slices = tuple(_span(axis, spans) for axis in self._axes)
        with damage_as_mistake(unreadable(self, window)):
            values = np.asarray(self._handle.file().pixels[slices])
        return without_infinities(self._arranged(values))

    def close(self) -> None:
        """Release the file."""
        self._handle.close()

    def _arranged(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Bring the values of a window from the file's order of axes to ``(C, *S)``."""
        spatial = [axis.name.upper() for axis in self.description.axes]
        names = ["Z" if axis in PAGES else axis for axis in self._axes]
        order = [names.index(axis) for axis in CHANNELS if axis in names]
        order += [names.index(axis) for axis in spatial]
        single = [axis for axis in range(values.ndim) if axis not in order]
        ordered = values.transpose([*single, *order])
        shape = ordered.shape[values.ndim - len(spatial) :]
        channels = ordered.reshape(-1, *shape)[list(self._indices)]
        return np.ascontiguousarray(channels, np.float32)


class _OpenStack:
    """An open file and the pixels of an image, from which windows are read."""

    def __init__(self, path: Path, wanted: str) -> None:
        self._file = TiffFile(path)
        _check_parts(self._file, str(path))
        names = [series.name for series in self._file.series]
        index = chosen_image(names, wanted, path).index
        self.pixels = _pixels(self._file, _whole_series(self._file, index, str(path)))

    def close(self) -> None:
        self._file.close()


def _check_parts(file: TiffFile, path: str) -> None:
    """Raise a `Mistake` if tifffile must not look for the images that OME-XML tells of."""
    if file.is_ome and file.ome_metadata:
        check_planes(file.ome_metadata, path)
        check_companions(file.ome_metadata, Path(path))


def _whole_series(file: TiffFile, index: int, path: str) -> Any:
    """Return an image by its index; a `Mistake` if planes of it are missing."""
    series = file.series[index]
    if _contradicted(file, series):
        header = "OME header" if file.is_ome else "ImageJ header"
        raise Mistake(
            f"{path} has an {header} that does not fit its {len(file.pages)} pages: save it anew."
        )
    # If planes lie one after the other (`dataoffset`), none is missing, and a check takes long.
    if series.dataoffset is None and any(page is None for page in series.pages):
        raise Mistake(
            f"{path} lacks some of its planes: they lie in other files, which are missing. Put all "
            "files of the image into one folder."
        )
    return series


def _contradicted(file: TiffFile, series: Any) -> bool:
    """Whether OME-XML or ImageJ's description claims other planes than the file has pages.

    In this case tifffile reads all pages as planes along z, or leaves some pages out. A further
    page of another size, such as a thumbnail, is no contradiction.
    """
    if not file.is_ome:
        return bool(file.is_imagej and series.kind == "generic" and len(series.shape) > 2)
    planes = sum(image.size // image.keyframe.size for image in file.series)
    if series.kind != "ome":
        return True
    if planes >= len(file.pages):
        return False
    return bool(file.pages[planes].aspage().shape == series.keyframe.shape)


def _pixels(file: TiffFile, series: Any) -> Any:
    """Return an array of the pixels of which slices can be read."""
    fills_bytes = 8 * series.dtype.itemsize == series.keyframe.bitspersample
    if series.dataoffset is not None and fills_bytes:
        # A strip may be a whole plane, so reading by strips would be slow.
        return ContiguousPixels(
            Path(file.filehandle.path),
            offset=series.dataoffset,
            shape=series.shape,
            dtype=series.dtype.newbyteorder(file.byteorder),
        )
    return zarr.open_array(series.aszarr(level=0), mode="r")


def _check_axes(sizes: dict[str, int], path: str) -> None:
    unknown = {
        axis: size
        for axis, size in sizes.items()
        if axis not in (*SPACE_AND_TIME, *CHANNELS, *PAGES) and size > 1
    }
    counting_z = [axis for axis in sizes if axis in ("Z", *PAGES) and sizes[axis] > 1]
    if unknown or len(counting_z) > 1 or not {"Y", "X"} <= sizes.keys():
        axes = ", ".join(f"{axis} of {size}" for axis, size in sizes.items())
        raise Mistake(
            f"{path} has the axes {axes}; any of T, C, Z, Y and X are read: save it with these."
        )
    if min(sizes.values()) < 1:
        raise empty(path, tuple(sizes.values()))


def _described(metadata: Metadata, series: Any, sizes: dict[str, int], path: str) -> Description:
    if series.dtype.kind not in "iufb":
        raise Mistake(f"{path} holds values of the type {series.dtype}: write real numbers first.")
    shape: list[int] = []
    axes: list[Axis] = []
    for name in SPACE_AND_TIME:
        size = sizes.get(name, 1)
        if name == "Z":
            size = max([size, *(sizes.get(page, 1) for page in PAGES)])
        if size > 1 or name in "YX":
            spacing, unit = metadata.spacing.get(name.lower(), (None, None))
            shape.append(size)
            axes.append(Axis(name.lower(), spacing, unit))
    count = sizes.get("C", 1) * sizes.get("S", 1)
    channels = named_channels(metadata.names, metadata.colours, [series.dtype] * count)
    return Description(tuple(shape), tuple(axes), channels, tags=metadata.tags)


def _metadata(file: TiffFile, index: int) -> Metadata:
    """Return the metadata of an image, by its index."""
    if file.is_ome and file.ome_metadata:
        names = images_of_ome(file.ome_metadata)
        if len(names) == len(file.series):
            return of_ome(file.ome_metadata, index)
        # OME-XML may list images without planes, which tifffile leaves out.
        name = file.series[index].name
        if names.count(name) != 1:
            return Metadata()
        return of_ome(file.ome_metadata, names.index(name))
    if file.is_imagej and file.imagej_metadata:
        page: Any = file.pages[0]
        densities = [_density(page, f"{axis}Resolution") for axis in "YX"]
        return of_imagej(file.imagej_metadata, (densities[0], densities[1]))
    return Metadata()


def _density(page: Any, name: str) -> float:
    """Return the resolution tag `name` of a page, in pixels per unit; 0 if unknown."""
    tag = page.tags.get(name)
    if tag is None:
        return 0.0
    numerator, denominator = tag.value
    return numerator / denominator if denominator else 0.0


def _span(axis: str, spans: dict[str, slice]) -> slice:
    """Return the slice of an axis of the file; all of an axis that the window lacks."""
    if axis in PAGES:
        axis = "Z"
    return spans.get(axis, slice(None))
