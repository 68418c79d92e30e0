"""The decoded pixels of a DICOM slice, as stored values."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from srlab.io.damage import COPY_AGAIN
from srlab.io.volume.dicom.headers import Header, Stored
from srlab.io.volume.dicom.quiet import pixel_array, pydicom_reads
from srlab.mistakes import Mistake


def pixels_of(header: Header) -> NDArray[Any]:
    """Decode a slice ``(H, W)``; a `Mistake` if the file is damaged.

    If low values are bright (``MONOCHROME1``), values are inverted, so that high ones are bright.
    """
    failure = f"{header.path} cannot be decoded: truncated or damaged"
    with pydicom_reads(failure):
        values = np.asarray(pixel_array(header.path, raw=True, index=header.frame))
        if values.shape != header.shape:
            raise Mistake(f"{failure}. {COPY_AGAIN}")
        stored = values.astype(header.stored.dtype, casting="unsafe")
        return _inverted(stored, header.stored) if header.stored.inverted else stored


def _inverted(values: NDArray[Any], stored: Stored) -> NDArray[Any]:
    """Map the lowest value to the highest and so on, by inverting the bits in use."""
    bits_in_use = -1 if stored.signed else 2**stored.used - 1
    inverted: NDArray[Any] = np.bitwise_xor(values, values.dtype.type(bits_in_use))
    return inverted
