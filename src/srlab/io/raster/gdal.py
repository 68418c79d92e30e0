"""Calls of GDAL: strict settings, bounded memory, and errors as one line for the user."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import rasterio
from rasterio._err import CPLE_BaseError
from rasterio.errors import CRSError, NotGeoreferencedWarning, RasterioError

from srlab.mistakes import Mistake

_SETTINGS = {
    "GDAL_CACHEMAX": 64 * 2**20,  # bytes; the default is 5 % of the memory, in every process
    "GDAL_ERROR_ON_LIBJPEG_WARNING": "YES",  # by default, damage within a JPEG is a warning
    "GDAL_PNG_WHOLE_IMAGE_OPTIM": "NO",  # this fast path silently fills a truncated PNG with zeros
    "GDAL_HTTP_CONNECTTIMEOUT": 30,  # seconds; by default a host may never answer
    "GDAL_HTTP_LOW_SPEED_LIMIT": 1,  # bytes per second
    "GDAL_HTTP_LOW_SPEED_TIME": 60,  # seconds below this speed until an error
    "GDAL_HTTP_MAX_RETRY": 3,  # if a server says that it is busy
    "GDAL_TIFF_INTERNAL_MASK": "YES",  # no .msk file beside the output
}
"""Settings of GDAL; environment variables of the same names take precedence."""


@contextmanager
def gdal(
    failure: str, *, advice: str = "", error: type[Mistake] = Mistake, sidecars: bool = True
) -> Iterator[None]:
    """Call GDAL with strict settings, and turn its errors into an `error`.

    The message is `failure`, followed by GDAL's reason in brackets and by `advice`. Without
    `sidecars`, no ``.aux.xml`` beside a file is read or written.
    """
    settings = {key: value for key, value in _SETTINGS.items() if key not in os.environ}
    if not sidecars:
        settings["GDAL_PAM_ENABLED"] = "NO"
    try:
        with rasterio.Env(**settings), warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)  # photographs lie nowhere
            yield
    # Names and tags of a damaged file may not be valid UTF-8.
    except (RasterioError, CRSError, CPLE_BaseError, UnicodeDecodeError) as problem:
        raise error(f"{failure} ({_reason(problem)}). {advice}".strip()) from problem


def _reason(problem: BaseException) -> str:
    """Return the first cause in a line: rasterio's own message often only points to it."""
    while problem.__cause__ is not None:
        problem = problem.__cause__
    return " ".join(str(problem).split()).rstrip(".")
