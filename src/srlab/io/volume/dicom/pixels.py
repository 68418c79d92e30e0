"""Pixels of a DICOM slice, as stored."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from srlab.io.volume.dicom.headers import Header, Stored
from srlab.io.volume.dicom.quiet import pixel_array, pydicom_reads
from srlab.mistakes import Mistake


def pixels_of(header: Header) -> NDArray[Any]:
    """Decode a slice ``(H, W)``; a `Mistake` if the file is damaged.

    Where low values are bright, they are turned round, so that high ones are.
    """
    failure = f"{header.path} cannot be decoded: truncated or damaged"
    with pydicom_reads(failure):
        values = np.asarray(pixel_array(header.path, raw=True, index=header.frame))
        if values.shape != header.shape:
            raise Mistake(f"{failure}.")
        stored = values.astype(header.stored.dtype, casting="unsafe")
        return _turned_round(stored, header.stored) if header.stored.inverted else stored


def _turned_round(values: NDArray[Any], stored: Stored) -> NDArray[Any]:
    """Return the lowest plus the highest value, less each: the complement of the bits in use."""
    in_use = -1 if stored.signed else 2**stored.used - 1
    turned: NDArray[Any] = np.bitwise_xor(values, values.dtype.type(in_use))
    return turned
