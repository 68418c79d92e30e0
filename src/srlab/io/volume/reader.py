"""Volumes through nibabel: NIfTI, MGH and Analyze."""

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
from srlab.io.damage import DENSEST, damage_told
from srlab.io.handle import ProcessHandle
from srlab.io.seekable_gzip import SeekableGzip
from srlab.io.selection import chosen
from srlab.io.stored import without_infinities
from srlab.io.volume.header import described
from srlab.io.windows import check_window
from srlab.mistakes import Mistake

GZIP = (".gz", ".mgz")

ERRORS = (ImageFileError, HeaderDataError, WrapStructError, MGHError)
"""What nibabel raises beside Python's own errors."""


class VolumeReader:
    """A volume, or a series of them, in physical units: stored values · slope + intercept.

    Axes are z, y and x, with t before them in a series. The file's own order is i, j, k, which are
    x, y and z. Values along a fifth axis are channels. A compressed file is read a window at a
    time, too, by an index of its places that is built as it is read.

    A reader may be pickled and forked: each process opens the file for itself at its first read.

    Raises a `Mistake` if there is no such file or nibabel cannot open it. A header that claims more
    than the file can hold, complex numbers and colours are one, too.
    """

    def __init__(self, path: PathLike, *, bands: Sequence[int | str] | None = None) -> None:
        self.path = existing_file(path)
        self._handle = ProcessHandle(partial(_voxels, self.path))
        with damage_told(f"{path} is not a volume that nibabel can read", *ERRORS):
            image: Any = nibabel.load(self.path)
            every = described(image, str(path))
            _check_size(image, self.path)
        self._places = chosen(every.names, bands, path)
        self._bands = bands and list(bands)
        self._stored_axes = len(image.shape)
        self.description = every.with_channels([every.channels[at] for at in self._places])

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
        spans = [x, y, z, *time, *[slice(None)] * 3]
        failure = f"{self.path} cannot be read at {_listed(window)}: truncated or damaged"
        with damage_told(failure, *ERRORS):
            values = np.asarray(self._handle.file()[tuple(spans[: self._stored_axes])])
        # (i, j, k, t, channels), whatever of it the file leaves out
        values = values.reshape((*values.shape, *[1] * 5)[:5])
        channels = values.astype(np.float32).T[list(self._places)]
        if len(window) == 3:
            channels = channels[:, 0]
        return without_infinities(np.ascontiguousarray(channels))

    def close(self) -> None:
        """Release the file."""
        self._handle.close()


def _voxels(path: Path) -> ArrayProxy:
    """Open the voxels of a file for reading by windows."""
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
    compressed = file.suffix in (*GZIP, ".bz2", ".zst")
    if claimed > size * (DENSEST if compressed else 1):
        raise Mistake(
            f"{path} is truncated or damaged: its header says {claimed:.3g} bytes of voxels, and "
            f"the file has {size}."
        )


def _listed(window: Window) -> str:
    return ", ".join(f"{span.start} to {span.stop}" for span in window)
