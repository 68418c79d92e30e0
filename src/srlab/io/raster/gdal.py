"""Calls of GDAL: damage is an error, memory is bounded, and errors are in plain words."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import rasterio
from rasterio._err import CPLE_BaseError
from rasterio.errors import CRSError, NotGeoreferencedWarning, RasterioError

from srlab.mistakes import Mistake

_SETTINGS = {  # the environment may say otherwise
    "GDAL_CACHEMAX": 64 * 2**20,  # bytes; GDAL takes 5 % of the machine, in every process
    "GDAL_ERROR_ON_LIBJPEG_WARNING": "YES",  # damage inside a JPEG is a mere warning
    "GDAL_PNG_WHOLE_IMAGE_OPTIM": "NO",  # this fast path fills a truncated PNG with zeros, silently
    "GDAL_HTTP_CONNECTTIMEOUT": 30,  # seconds; a host that does not answer is an error
    "GDAL_HTTP_LOW_SPEED_LIMIT": 1,  # bytes a second
    "GDAL_HTTP_LOW_SPEED_TIME": 60,  # seconds
    "GDAL_HTTP_MAX_RETRY": 3,  # of what servers say to be busy with
    "GDAL_TIFF_INTERNAL_MASK": "YES",  # no .msk file beside the output
}


@contextmanager
def gdal(failure: str, *, error: type[Mistake] = Mistake, sidecars: bool = True) -> Iterator[None]:
    """Make what GDAL cannot do an `error` of one line: `failure`, then GDAL's reason.

    Without `sidecars` no ``.aux.xml`` is read or written.
    """
    settings = {key: value for key, value in _SETTINGS.items() if key not in os.environ}
    if not sidecars:
        settings["GDAL_PAM_ENABLED"] = "NO"
    try:
        with rasterio.Env(**settings), warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)  # photographs lie nowhere
            yield
    # Names and tags of a damaged file may be no text at all.
    except (RasterioError, CRSError, CPLE_BaseError, UnicodeDecodeError) as problem:
        raise error(f"{failure} ({_reason(problem)}).") from problem


def _reason(problem: BaseException) -> str:
    """Return the first cause in a line: rasterio's own message often only points to it."""
    while problem.__cause__ is not None:
        problem = problem.__cause__
    return " ".join(str(problem).split()).rstrip(".")
