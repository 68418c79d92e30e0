"""The zarr library, if it is installed."""

from __future__ import annotations

from typing import Any

from srlab.mistakes import MissingPackage


def zarr_library() -> Any:
    """Import zarr; a `MissingPackage` if it is not installed."""
    try:
        import zarr
    except ImportError as error:
        raise MissingPackage('.zarr needs the zarr library: pip install "srlab[zarr]".') from error
    return zarr
