"""What the formats in Zarr stores share: the arrays of a store, and its compression."""

from __future__ import annotations

from typing import Any

import numcodecs
import zarr
from zarr.codecs import GzipCodec, ZstdCodec


def arrays_by_name(root: Any) -> dict[str, Any]:
    """Return the arrays of an open store by their paths in it, sorted.

    A store that is itself an array has only this one, and its name is empty.
    """
    if not isinstance(root, zarr.Group):
        return {"": root}
    members = sorted(root.members(max_depth=None))
    return {name: member for name, member in members if hasattr(member, "shape")}


def compressor(compression: str, *, zarr_format: int = 2) -> Any:
    """Return zarr's codec for ``zstd``, ``deflate`` or ``none`` in a store of format 2 or 3.

    Level 1 is fast; on images, higher levels save little.
    """
    if compression == "none":
        return None
    if zarr_format == 3:
        return {"zstd": ZstdCodec(level=1), "deflate": GzipCodec(level=1)}[compression]
    return {"zstd": numcodecs.Zstd(level=1), "deflate": numcodecs.Zlib(level=1)}[compression]
