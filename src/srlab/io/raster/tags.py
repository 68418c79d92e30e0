"""The tags of a raster that remain true of an output, which has other pixels of the same scene."""

from __future__ import annotations

import re
from collections.abc import Mapping

_ABOUT_PIXELS = re.compile(
    r"""
    resolution | [xy]res(unit)?$ | resunit | spacing | pixel | dimension | cell_?size
    | (^|[^a-z])(gsd|n?rows|n?cols|n?columns|n?lines|n?samples|pitch|shape)([^a-z]|$)
    | (^|[:.\#]|image[_ ]?)(width|height|length|size)$
    | (^|[^a-z])actual_range$ | (min|max)samplevalue | ^statistics_ | ^nodata_values$
    | ^(exif|tifftag)_orientation$ | subject(area|location) | thumbnail | makernote | imageuniqueid
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""Keys about a file's own pixels: their number, size, orientation, values or identity."""

_ABOUT_STORAGE = re.compile(
    r"""
    (^|\#)(scale_factor|add_offset|scales|offsets|_?fillvalue|missing_value|nodatavals|is_tiled
      |valid_(range|min|max)|_unsigned|grid_mapping|coordinates|crs|crs_wkt|spatial_ref|geotransform
      |transform|res)$
    | ^netcdf_(varname|dim_) | ^dim_ | ^matlab_ | ^units$ | ^conventions$ | ^(?!nc_global)[^\#]+\#
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""Keys of netCDF, HDF5 and Zarr about how values and coordinates are stored.

Attributes of a variable, such as ``rain#long_name``, are also left out: a band has them as well.
"""

_WRITTEN_BY_PROGRAMS = re.compile(r"\s*[<{\[] | .*=", re.VERBOSE | re.DOTALL)
"""A description that a program wrote: XML, JSON or ``key=value``."""

_MICROSCOPY = re.compile(r"\s*ImageJ= | .*<(\w+:)?OME[\s>]", re.VERBOSE | re.DOTALL)
"""A description by ImageJ, or OME-XML."""

_MADE_BY_US = ("MODEL_SHA256", "SETTINGS", "CLIPPED_VALUES")


def lasting(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags that also hold for other pixels of the same scene.

    A description by a program is left out, since OME-XML, ImageJ and slide scanners state the
    number and size of pixels there. srlab's own provenance of the file is left out, too.
    """
    made_by_us: tuple[str, ...] = ()
    if "MODEL_SHA256" in tags:
        made_by_us = _MADE_BY_US
    return {
        key: value
        for key, value in tags.items()
        if key not in made_by_us and not _is_stale(key, value)
    }


def _is_stale(key: str, value: str) -> bool:
    if _ABOUT_PIXELS.search(key) or _ABOUT_STORAGE.search(key) or _MICROSCOPY.match(value):
        return True
    return key == "TIFFTAG_IMAGEDESCRIPTION" and bool(_WRITTEN_BY_PROGRAMS.match(value))
