"""The reader of volumes that nibabel opens: NIfTI, MGH and Analyze."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.arrayproxy import ArrayProxy
from nibabel.filebasedimages import ImageFileError
from nibabel.freesurfer.mghformat import MGHError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.files import PathLike, existing_file
from srlab.io.damage import CHECK_ENDING, DENSEST, damage_as_mistake, damaged, unreadable
from srlab.io.handle import ProcessHandle
from srlab.io.seekable_gzip import SeekableGzip
from srlab.io.selection import chosen
from srlab.io.stored import without_infinities
from srlab.io.volume.header import described
from srlab.io.windows import check_window

GZIP = (".gz", ".mgz")
"""The suffixes of files that are compressed by gzip."""

ERRORS = (ImageFileError, HeaderDataError, WrapStructError, MGHError)
"""nibabel's own errors for damaged files."""


class VolumeReader:
    """A reader of a volume or a series of volumes: stored values · slope + intercept.

    Axes are z, y and x, with t before them in a series. In the file, axes are stored in reverse, as
    i, j and k. The fifth axis of a file holds channels. Windows of a gzip-compressed file are read
    without decompressing the whole, by an index of positions.

    Raises a `Mistake` if there is no such file, or nibabel cannot open it. Also raises one for
    complex numbers, colours, or a header that claims more than the file can hold.
    """

    def __init__(self, path: PathLike, *, bands: Sequence[int | str] | None = None) -> None:
        self.path = existing_file(path)
        self._handle = ProcessHandle(partial(_voxels, self.path))
        failure = f"{path} is not a volume that nibabel can read"
        with damage_as_mistake(failure, *ERRORS, advice=CHECK_ENDING):
            image: Any = nibabel.load(self.path)
            whole = described(image, str(path))
            _check_size(image, self.path)
        self._indices = chosen(whole.names, bands, path)
        self._bands = bands and list(bands)
        self._stored_axes = len(image.shape)
        self.description = whole.subset(self._indices)

    def __str__(self) -> str:
        return str(self.path)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(VolumeReader, bands=self._bands), (str(self.path),)

    def read(self, window: Window) -> NDArray[np.float32]:
        """Read ``(C, *window)`` in physical units, NaN where a value is not finite.

        Raises a `Mistake` if the window is not inside the image, or the file is truncated there.
        """
        check_window(window, self.description.shape)
        *time, z, y, x = window
        if not time:
            time = [slice(0, 1)]
        spans = [x, y, z, *time, *[slice(None)] * 3]  # in the order of the file
        with damage_as_mistake(unreadable(self.path, window), *ERRORS):
            values = np.asarray(self._handle.file()[tuple(spans[: self._stored_axes])])
        # Always five axes, i, j, k, t and channels, even if the file lacks the last ones.
        values = values.reshape((*values.shape, *[1] * 5)[:5])
        channels = values.astype(np.float32).T[list(self._indices)]
        if len(window) == 3:
            channels = channels[:, 0]
        return without_infinities(np.ascontiguousarray(channels))

    def close(self) -> None:
        """Release the file."""
        self._handle.close()


def _voxels(path: Path) -> ArrayProxy:
    """Open the voxels of a file, of which windows can be read."""
    image: Any = nibabel.load(path, keep_file_open=True)
    voxels: ArrayProxy = image.dataobj
    file = Path(image.file_map["image"].filename)
    if file.suffix not in GZIP:
        return voxels
    layout = (voxels.shape, voxels.dtype, voxels.offset, voxels.slope, voxels.inter)
    return ArrayProxy(SeekableGzip(file), layout, mmap=False)


def _check_size(image: Any, path: Path) -> None:
    """Raise a `Mistake` if the header claims more than the file can hold."""
    claimed = prod(map(int, image.shape)) * image.header.get_data_dtype().itemsize
    file = Path(image.file_map["image"].filename)
    size = file.stat().st_size
    is_compressed = file.suffix in (*GZIP, ".bz2", ".zst")
    largest_ratio = DENSEST if is_compressed else 1
    if claimed > size * largest_ratio:
        how = f"its header says {claimed:.3g} bytes of voxels, and the file has {size}"
        raise damaged(file, how)
