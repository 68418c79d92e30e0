"""The images of an OME-Zarr store: a single one, those of a plate, or those of a converted file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from srlab.io.images import chosen_image
from srlab.io.microscopy.ome_zarr_metadata import ome_of

CONVERTED = "bioformats2raw.layout"
"""The attribute of a store of several images that bioformats2raw converted from one file."""


def chosen_group(store: Any, wanted: str, path: object) -> str:
    """Return the path of the wanted image's group in an open store; empty for the store itself.

    A plate has images in its wells, such as ``A/1/0`` (OME-NGFF 0.5, ``plate`` and ``well``). A
    converted file has them in groups that are numbered from 0 (``bioformats2raw.layout``). Each
    other image of the store, such as ``labels/cells``, is wanted by its path as well.

    Raises what `chosen_image` raises.
    """
    if wanted and wanted in store and ome_of(store[wanted].attrs).get("multiscales"):
        return wanted
    groups = list(_groups(store))
    return groups[chosen_image(groups, wanted, path).place]


def _groups(store: Any) -> Iterator[str]:
    """Yield the paths of the images that the store's attributes tell of."""
    about = ome_of(store.attrs)
    if "plate" in about:
        for well in about["plate"]["wells"]:
            yield from _fields(store[well["path"]], f"{well['path']}/")
    elif "well" in about:
        yield from _fields(store, "")
    elif CONVERTED in about:
        yield from _converted(store)
    else:
        yield ""


def _fields(well: Any, beginning: str) -> Iterator[str]:
    """Yield the paths of the images of a well, which are fields of view."""
    for image in ome_of(well.attrs)["well"]["images"]:
        yield f"{beginning}{image['path']}"


def _converted(store: Any) -> Iterator[str]:
    """Yield the paths of the images of a converted file, as listed or by their numbers."""
    listed = ome_of(store["OME"].attrs).get("series") if "OME" in store else None
    if listed is not None:
        yield from map(str, listed)
        return
    number = 0
    while str(number) in store:
        yield str(number)
        number += 1
