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
        return _used(values.astype(header.stored.dtype, casting="unsafe"), header.stored)


def _used(values: NDArray[Any], stored: Stored) -> NDArray[Any]:
    """Clear the bits that hold no part of a value, and turn inverted values round."""
    unused = stored.bits - stored.used
    if unused:
        # Shifts of signed numbers repeat the sign.
        values = (values << unused) >> unused
    if stored.inverted:
        # The sum of the lowest and the highest value is all ones: the complement, within the bits.
        values = ~values if stored.signed else values ^ values.dtype.type(2**stored.used - 1)
    return values
