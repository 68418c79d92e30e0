"""pydicom, which is an extra, without its messages, since these may name a patient."""

from __future__ import annotations

import logging
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from srlab.io.damage import COPY_AGAIN
from srlab.mistakes import MissingPackage, Mistake

try:  # the other files here import from this one, so that it says what to install
    import pydicom as pydicom
    from pydicom.pixels.decoders.base import get_decoder as get_decoder
    from pydicom.pixels.utils import pixel_array as pixel_array
except ImportError as error:
    raise MissingPackage(
        "DICOM files need the pydicom library: pip install 'srlab[dicom]'."
    ) from error

# Its warnings and log lines quote values of the header.
logging.getLogger(pydicom.__name__).setLevel(logging.CRITICAL + 1)

_DAMAGE = (
    *(OSError, EOFError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError),
    *(NotImplementedError, RuntimeError, MemoryError, struct.error, zlib.error),
    pydicom.errors.InvalidDicomError,
    pydicom.errors.BytesLengthException,
)
"""The errors that pydicom raises for damaged files."""


@contextmanager
def pydicom_reads(failure: str, *, advice: str = COPY_AGAIN) -> Iterator[None]:
    """Turn pydicom's errors into a `Mistake`, and drop its warnings.

    The message is `failure`, followed by `advice`.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Mistake:
        raise
    except _DAMAGE:
        # The message and the chain of errors are dropped, since both may quote the header.
        raise Mistake(f"{failure}. {advice}") from None
