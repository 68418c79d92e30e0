"""The images of an OME-Zarr store: a single one, those of a plate, or of a converted file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from srlab.io.images import chosen_image
from srlab.io.microscopy.ome_zarr_metadata import ome_of

CONVERTED = "bioformats2raw.layout"
"""The attribute of a store of several images that bioformats2raw converted from one file."""


def chosen_group(store: Any, wanted: str, path: object) -> str:
    """Return the path of the `wanted` image within an open store; empty for the store itself.

    The images of a plate are fields of its wells, such as ``A/1/0`` (OME-NGFF 0.5, ``plate`` and
    ``well``). Those of a converted file are groups numbered from 0 (``bioformats2raw.layout``). Any
    other image in the store, such as ``labels/cells``, can be chosen by its path.

    Raises what `chosen_image` raises.
    """
    if wanted and wanted in store and ome_of(store[wanted].attrs).get("multiscales"):
        return wanted
    groups = list(_groups(store))
    return groups[chosen_image(groups, wanted, path).index]


def _groups(store: Any) -> Iterator[str]:
    """Yield the paths of the images that the store's attributes list."""
    attributes = ome_of(store.attrs)
    if "plate" in attributes:
        for well in attributes["plate"]["wells"]:
            yield from _fields(store[well["path"]], f"{well['path']}/")
    elif "well" in attributes:
        yield from _fields(store, "")
    elif CONVERTED in attributes:
        yield from _converted(store)
    else:
        yield ""


def _fields(well: Any, prefix: str) -> Iterator[str]:
    """Yield the paths of the images of a well, which are its fields of view."""
    for image in ome_of(well.attrs)["well"]["images"]:
        yield f"{prefix}{image['path']}"


def _converted(store: Any) -> Iterator[str]:
    """Yield the paths of the images of a converted file: the listed ones, or else their numbers."""
    listed = ome_of(store["OME"].attrs).get("series") if "OME" in store else None
    if listed is not None:
        yield from map(str, listed)
        return
    number = 0
    while str(number) in store:
        yield str(number)
        number += 1
