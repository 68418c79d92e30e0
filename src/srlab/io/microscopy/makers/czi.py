"""Zeiss's CZI through pylibCZIrw, their own library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from srlab.files import PathLike
from srlab.io.isolated import IsolatedReader
from srlab.io.microscopy.channels import ome_colour
from srlab.io.microscopy.makers.planes import (
    Contents,
    PlaneReader,
    check_all_planes,
    check_axes,
    check_one_image,
    missing_package,
)
from srlab.io.microscopy.metadata import MICROMETRE, Metadata
from srlab.mistakes import Mistake

try:
    from pylibCZIrw import czi
except ImportError as error:
    raise missing_package("CZI", "pylibCZIrw") from error

TYPES = {
    "Gray8": (np.uint8, 1),
    "Gray16": (np.uint16, 1),
    "Gray32Float": (np.float32, 1),
    "Bgr24": (np.uint8, 3),
    "Bgr48": (np.uint16, 3),
    "Bgr96Float": (np.float32, 3),
}
"""The type of a value, and the samples of a pixel, by the name of a pixel's type."""


def open_czi(path: PathLike, *, bands: Sequence[int | str] | None = None) -> IsolatedReader:
    """Open the one scene of a CZI at its finest level; the tiles of a mosaic are one image.

    It is read in another process, since damaged bytes crash the library now and then.
    """
    return IsolatedReader(open_here, path, bands=bands)


def open_here(path: PathLike, *, bands: Sequence[int | str] | None = None) -> PlaneReader:
    """Open a CZI in this process."""
    return PlaneReader(path, opener=CziPlanes, bands=bands)


class CziPlanes:
    """An open CZI, of whose pixels those are decoded whose blocks a window touches."""

    def __init__(self, path: Path) -> None:
        self._file = czi.CziReader(str(path))
        scenes = self._file.scenes_bounding_rectangle_no_pyramid
        check_one_image(path, [f"scene {number}" for number in scenes] or ["the image"])
        box = self._file.total_bounding_box_no_pyramid
        sizes = {name: end - start for name, (start, end) in box.items() if end - start > 1}
        check_axes(path, sizes)
        _check_planes(self._file, path, prod(sizes.get(name, 1) for name in "TCZ"))
        self._starts = {name: start for name, (start, _) in box.items()}
        types, self._samples = _types(path, self._file.pixel_types)
        lengths = {name: end - start for name, (start, end) in box.items()}
        kept = {name.lower(): lengths.get(name, 1) for name in "TZYX"}
        self.contents = Contents(kept, types, _metadata(self._file.raw_metadata))

    def read(
        self, *, t: int, z: int, channels: Sequence[int], rows: slice, columns: slice
    ) -> NDArray[Any]:
        """Read ``(C, H, W)``: a part of some channels of one plane."""
        left, top = self._starts["X"] + columns.start, self._starts["Y"] + rows.start
        part = (left, top, columns.stop - columns.start, rows.stop - rows.start)
        seen = {}
        for number in {channel // self._samples for channel in channels}:
            place = {"T": t, "Z": z, "C": number}
            known = {name: at + self._starts[name] for name, at in place.items() if self._has(name)}
            # Blue comes first of a colour's samples.
            seen[number] = self._file.read(roi=part, plane=known)[..., ::-1]
        taken = [divmod(channel, self._samples) for channel in channels]
        return np.stack([seen[number][..., sample] for number, sample in taken])

    def close(self) -> None:
        """Release the file."""
        self._file.close()

    def _has(self, name: str) -> bool:
        return name in self._starts


def _types(path: Path, named: Mapping[int, str]) -> tuple[list[np.dtype[Any]], int]:
    """Return the types of all channels, and the samples of a pixel."""
    types = [TYPES.get(name) for _, name in sorted(named.items())]
    known = [each for each in types if each is not None]
    samples = {number for _, number in known}
    if len(known) < len(types) or len(samples) != 1:
        raise Mistake(
            f"{path} holds pixels of the types {', '.join(named.values())}; channels that are all "
            "grey, or all colours, of 8 or 16 bits or of floats are read."
        )
    (number,) = samples
    kinds = [np.dtype(kind) for kind, _ in known]
    return [kind for kind in kinds for _ in range(number)], number


def _check_planes(file: Any, path: Path, claimed: int) -> None:
    """Raise a `Mistake` if planes are missing, which the library would give as zeros."""
    found = set()

    def note(_: int, block: Any) -> bool:
        found.add(tuple(block.coordinate.to_dict().items()))
        return True

    file.enumerate_subblocks_subset(note, only_layer0=True)
    check_all_planes(path, len(found), claimed)


def _metadata(xml: str) -> Metadata:
    """Read the XML of a CZI; its lengths are metres and its times seconds."""
    root = ElementTree.fromstring(xml)
    spacing = {}
    for distance in root.iterfind("./Metadata/Scaling/Items/Distance"):
        name, size = str(distance.get("Id")).lower(), float(distance.findtext("Value") or 0)
        if name in ("x", "y", "z") and size > 0:
            spacing[name] = (size * 1e6, MICROMETRE)
    image = "./Metadata/Information/Image"
    step = float(root.findtext(f"{image}/Dimensions/T/Positions/Interval/Increment") or 0)
    if step > 0:
        spacing["t"] = (step, "s")
    shown = {
        each.get("Name"): each.findtext("Color")
        for each in root.iterfind("./Metadata/DisplaySetting/Channels/Channel")
    }
    names = [each.get("Name", "") for each in root.iterfind(f"{image}/Dimensions/Channels/Channel")]
    tags = {}
    date = root.findtext(f"{image}/AcquisitionDateAndTime")
    if date:
        tags["OME_ACQUISITION_DATE"] = date
    return Metadata(spacing, tuple(names), tuple(_colour(shown.get(name)) for name in names), tags)


def _colour(word: str | None) -> str:
    """Return ``#AARRGGBB`` or ``#RRGGBB`` as OME's number, or nothing."""
    digits = (word or "").lstrip("#")[-6:]
    if len(digits) != 6:
        return ""
    red, green, blue = bytes.fromhex(digits)
    return ome_colour(red, green, blue)
