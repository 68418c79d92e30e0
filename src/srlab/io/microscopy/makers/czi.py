"""Zeiss's CZI through pylibCZIrw, their own library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from srlab.files import PathLike
from srlab.io.images import chosen_image
from srlab.io.isolated import IsolatedReader
from srlab.io.microscopy.channels import ome_colour
from srlab.io.microscopy.makers.planes import (
    Contents,
    PlaneReader,
    check_all_planes,
    check_axes,
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

IMAGE = "./Metadata/Information/Image"
"""The place in a CZI's XML of what it says of its image."""


def open_czi(path: PathLike, *, bands: Sequence[int | str] | None = None) -> IsolatedReader:
    """Open a scene of a CZI at its finest level; the tiles of a mosaic are one image.

    It is read in another process, since damaged bytes crash the library now and then.
    """
    return IsolatedReader(open_here, path, bands=bands)


def open_here(path: PathLike, *, bands: Sequence[int | str] | None = None) -> PlaneReader:
    """Open a CZI in this process."""
    return PlaneReader(path, opener=CziPlanes, bands=bands)


class CziPlanes:
    """An open CZI, of whose pixels those are decoded whose blocks a window touches."""

    def __init__(self, path: Path, wanted: str) -> None:
        self._file = czi.CziReader(str(path))
        root = ElementTree.fromstring(self._file.raw_metadata)
        blocks = _blocks(self._file)
        scenes = sorted({block.scene for block in blocks})
        chosen = chosen_image(_names(root, scenes), wanted, path)
        self.image = chosen.name
        self._scene = scenes[chosen.place] if len(scenes) > 1 else None
        box = _box([block for block in blocks if block.scene == scenes[chosen.place]], path)
        self._starts = {name: span.start for name, span in box.items()}
        sizes = {name: len(span) for name, span in box.items()}
        channels = box.get("C", range(1))
        named = {number: self._file.get_channel_pixel_type(number) for number in channels}
        types, self._samples = _types(path, named)
        kept = {name.lower(): sizes.get(name, 1) for name in "TZYX"}
        self.contents = Contents(kept, types, _metadata(root))

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
            read = self._file.read(roi=part, plane=known, scene=self._scene)
            seen[number] = read[..., ::-1]
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


@dataclass(frozen=True)
class _Block:
    """A tile of one plane, at the finest level."""

    scene: int
    plane: tuple[tuple[str, int], ...]
    """The names of the axes beside y and x, each with the place on it."""

    rows: range
    columns: range


def _blocks(file: Any) -> list[_Block]:
    found: list[_Block] = []

    def note(_: int, block: Any) -> bool:
        place = block.coordinate.to_dict()
        box = block.logicalRect
        scene = place.pop("S", 0)
        rows, columns = range(box.y, box.y + box.h), range(box.x, box.x + box.w)
        found.append(_Block(scene, tuple(place.items()), rows, columns))
        return True

    file.enumerate_subblocks_subset(note, only_layer0=True)
    return found


def _names(root: Element, scenes: Sequence[int]) -> list[str]:
    """Return the names of scenes, or their numbers from 1 where they have none."""
    told = {
        each.get("Index"): each.get("Name")
        for each in root.iterfind(f"{IMAGE}/Dimensions/S/Scenes/Scene")
    }
    return [told.get(str(scene)) or f"scene {scene + 1}" for scene in scenes]


def _box(blocks: Sequence[_Block], path: Path) -> dict[str, range]:
    """Return the span of each axis of a scene.

    Raises a `Mistake` if planes are missing, which the library would give as zeros.
    """
    planes = {block.plane for block in blocks}
    places: dict[str, list[int]] = {}
    for plane in planes:
        for name, place in plane:
            places.setdefault(name, []).append(place)
    box = {name: range(min(each), max(each) + 1) for name, each in places.items()}
    check_axes(path, {name: len(span) for name, span in box.items() if len(span) > 1})
    check_all_planes(path, len(planes), prod(len(span) for span in box.values()))
    for name, spans in {
        "Y": [block.rows for block in blocks],
        "X": [block.columns for block in blocks],
    }.items():
        box[name] = range(min(span.start for span in spans), max(span.stop for span in spans))
    return box


def _metadata(root: Element) -> Metadata:
    """Read the XML of a CZI; its lengths are metres and its times seconds."""
    spacing = {}
    for distance in root.iterfind("./Metadata/Scaling/Items/Distance"):
        name, size = str(distance.get("Id")).lower(), float(distance.findtext("Value") or 0)
        if name in ("x", "y", "z") and size > 0:
            spacing[name] = (size * 1e6, MICROMETRE)
    step = float(root.findtext(f"{IMAGE}/Dimensions/T/Positions/Interval/Increment") or 0)
    if step > 0:
        spacing["t"] = (step, "s")
    shown = {
        each.get("Name"): each.findtext("Color")
        for each in root.iterfind("./Metadata/DisplaySetting/Channels/Channel")
    }
    names = [each.get("Name", "") for each in root.iterfind(f"{IMAGE}/Dimensions/Channels/Channel")]
    tags = {}
    date = root.findtext(f"{IMAGE}/AcquisitionDateAndTime")
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
