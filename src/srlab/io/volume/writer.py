"""The writer of NIfTI volumes, in blocks from any process."""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path

import numpy as np
from isal import igzip
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.files import replaced
from srlab.io.clipping import Clipping
from srlab.io.description import Description
from srlab.io.protocols import Provenance
from srlab.io.staging import Staging
from srlab.io.stored import to_stored
from srlab.io.volume.geometry import VolumeGeometry
from srlab.io.volume.header import nifti_header
from srlab.io.windows import check_block
from srlab.io.write_errors import write_errors_as_mistake
from srlab.mistakes import Mistake

CHUNK = 8 * 2**20
"""Bytes that are compressed at a time."""


class NiftiWriter:
    """The writer of a NIfTI volume, or of a series of volumes.

    The header holds sform, qform and units, and the provenance as a comment in an extension. The
    file is NIfTI-1, or NIfTI-2 if an axis is too long. A name in ``.gz`` is compressed; equal
    volumes give equal bytes. Integers are rounded to the nearest, halves to even, and clipped; the
    header tells how many were clipped. Until `finish`, the blocks lie in a folder beside `path`.

    Raises a `Mistake` if a NIfTI cannot hold the image. `prepare`, `write` and `finish`
    raise a `FailedWrite` if the disk is full.
    """

    def __init__(self, path: Path, description: Description, *, provenance: Provenance) -> None:
        self.path = path
        self._description = description
        dtype = description.dtype
        axes = len(description.shape)
        if axes not in (3, 4):
            raise Mistake(f"{path} holds volumes, and the image has {axes} axes: write a .tif.")
        geometry = description.geometry
        if geometry is None:
            spacing = [axis.spacing or 1.0 for axis in description.axes[:-4:-1]]  # x, y, z
            geometry = VolumeGeometry((spacing[0], spacing[1], spacing[2]))
        if not isinstance(geometry, VolumeGeometry):
            raise Mistake(
                f"{path} would lose the place of its voxels, which is no volume's: write the "
                "format of the input."
            )
        scalings = {(channel.scale, channel.offset) for channel in description.channels}
        if len(scalings) > 1:
            raise Mistake(f"{path} holds one slope and intercept, and the channels have several.")
        self._geometry, self._provenance = geometry, provenance
        self.clipping = Clipping(description.channels)
        self.chunks = (1,) * axes
        self._staging = Staging(
            path, len(description.channels), description.shape, dtype, self._head()
        )

    def prepare(self) -> None:
        """Begin the unfinished file."""
        self._staging.prepare()

    def resume(self) -> bool:
        """Go on with the file that an ended process began, if it is there."""
        return self._staging.is_begun

    def write(self, window: Window, array: NDArray[np.float32]) -> None:
        """Write ``(C, *window)`` in physical units, NaN where there is no data.

        Raises a `Mistake` if the window does not fit the file, or the array does not fit the
        window. Also raises one for a NaN among integers.
        """
        first = self._description.channels[0]
        check_block(window, array, len(self._description.channels), self._description.shape)
        self.clipping.count(array)
        stored = to_stored(
            array, scale=first.scale, offset=first.offset, dtype=self._staging.dtype, nodata=None
        )
        self._staging.write(window, stored)

    def sync(self) -> None:
        """Have the disk hold all that was written."""
        self._staging.sync()

    def finish(self) -> None:
        """Complete the file and give it its name."""
        with write_errors_as_mistake(self.path):
            with self._staging.path.open("r+b") as file:
                file.write(self._head())  # anew, with the number of clipped values
            if self.path.suffix == ".gz":
                with replaced(self.path, suffix=".gz") as unfinished:
                    _compress(self._staging.path, unfinished)
            else:
                os.replace(self._staging.path, self.path)
        self.clipping.report(self.path)
        self.discard()

    def discard(self) -> None:
        """Remove the unfinished file."""
        self._staging.discard()

    def _head(self) -> bytes:
        """Return the header as bytes, with the number of values clipped so far."""
        header = nifti_header(
            self._description, self._geometry, self._provenance, clipped=self.clipping.total
        )
        buffer = io.BytesIO()
        header.write_to(buffer)
        return buffer.getvalue()


def _compress(source: Path, target: Path) -> None:
    with (
        source.open("rb") as plain,
        target.open("wb") as file,
        # Without a time and a name, equal volumes give equal bytes.
        igzip.IGzipFile("", "wb", compresslevel=1, fileobj=file, mtime=0) as compressed,
    ):
        shutil.copyfileobj(plain, compressed, CHUNK)
