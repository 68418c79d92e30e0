"""Opening Zeiss's CZI, by their own library pylibCZIrw."""

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
"""The type of a value and the number of samples of a pixel, by the name of the pixel type."""

IMAGE = "./Metadata/Information/Image"
"""The path of the element about the image in a CZI's XML."""


def open_czi(path: PathLike, *, bands: Sequence[int | str] | None = None) -> IsolatedReader:
    """Open a scene of a CZI at its finest level; the tiles of a mosaic are one image.

    The file is read in another process, since the library sometimes crashes over damaged bytes.
    """
    return IsolatedReader(open_here, path, bands=bands)


def open_here(path: PathLike, *, bands: Sequence[int | str] | None = None) -> PlaneReader:
    """Open a CZI in this process."""
    return PlaneReader(path, opener=CziPlanes, bands=bands)


class CziPlanes:
    """A scene of an open CZI; only blocks that a window touches are decoded."""

    def __init__(self, path: Path, wanted: str) -> None:
        self._file = czi.CziReader(str(path))
        root = ElementTree.fromstring(self._file.raw_metadata)
        blocks = _blocks(self._file)
        scenes = sorted({block.scene for block in blocks})
        chosen = chosen_image(_names(root, scenes), wanted, path)
        self.image = chosen.name
        self._scene = scenes[chosen.index] if len(scenes) > 1 else None
        box = _box([block for block in blocks if block.scene == scenes[chosen.index]], path)
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
        region = (left, top, columns.stop - columns.start, rows.stop - rows.start)
        # A channel here is a sample of a pixel in a channel of the file.
        samples = [divmod(channel, self._samples) for channel in channels]
        pixels = {}
        for number in {number for number, _ in samples}:
            indices = {"T": t, "Z": z, "C": number}
            plane = {
                name: self._starts[name] + index
                for name, index in indices.items()
                if name in self._starts
            }
            values = self._file.read(roi=region, plane=plane, scene=self._scene)
            pixels[number] = values[..., ::-1]  # the file has blue first
        return np.stack([pixels[number][..., sample] for number, sample in samples])

    def close(self) -> None:
        """Release the file."""
        self._file.close()


def _types(path: Path, named: Mapping[int, str]) -> tuple[list[np.dtype[Any]], int]:
    """Return the type of each sample of each channel, and the number of samples of a pixel.

    `named` holds the names of the channels' pixel types, by the numbers of the channels.
    """
    types = [TYPES.get(name) for _, name in sorted(named.items())]
    known = [entry for entry in types if entry is not None]
    samples = {number for _, number in known}
    if len(known) < len(types) or len(samples) != 1:
        raise Mistake(
            f"{path} holds pixels of the types {', '.join(named.values())}; channels that are all "
            "grey, or all colours, of 8 or 16 bits or of floats are read."
        )
    (number,) = samples
    sample_types: list[np.dtype[Any]] = []
    for kind, _ in known:
        sample_types += [np.dtype(kind)] * number
    return sample_types, number


@dataclass(frozen=True)
class _Block:
    """A tile of one plane, at the finest level."""

    scene: int
    plane: tuple[tuple[str, int], ...]
    """The axes other than y and x, each with the index along it."""

    rows: range
    columns: range


def _blocks(file: Any) -> list[_Block]:
    """List the blocks of an open file at its finest level."""
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
    """Return the name of each scene; ``scene 1`` etc. for scenes without a name."""
    elements = root.iterfind(f"{IMAGE}/Dimensions/S/Scenes/Scene")
    names = {element.get("Index"): element.get("Name") for element in elements}
    return [names.get(str(scene)) or f"scene {scene + 1}" for scene in scenes]


def _box(blocks: Sequence[_Block], path: Path) -> dict[str, range]:
    """Return the span of each axis of a scene.

    Raises a `Mistake` if planes are missing, which the library would give as zeros.
    """
    planes = {block.plane for block in blocks}
    indices: dict[str, list[int]] = {}
    for plane in planes:
        for name, index in plane:
            indices.setdefault(name, []).append(index)
    box = {name: range(min(along), max(along) + 1) for name, along in indices.items()}
    check_axes(path, {name: len(span) for name, span in box.items() if len(span) > 1})
    check_all_planes(path, len(planes), prod(len(span) for span in box.values()))
    box["Y"] = _hull([block.rows for block in blocks])
    box["X"] = _hull([block.columns for block in blocks])
    return box


def _hull(spans: Sequence[range]) -> range:
    """Return the smallest range that contains all `spans`."""
    return range(min(span.start for span in spans), max(span.stop for span in spans))


def _metadata(root: Element) -> Metadata:
    """Read the XML of a CZI, which has lengths in metres and times in seconds."""
    spacing = {}
    for distance in root.iterfind("./Metadata/Scaling/Items/Distance"):
        name, size = str(distance.get("Id")).lower(), float(distance.findtext("Value") or 0)
        if name in ("x", "y", "z") and size > 0:
            spacing[name] = (size * 1e6, MICROMETRE)
    step = float(root.findtext(f"{IMAGE}/Dimensions/T/Positions/Interval/Increment") or 0)
    if step > 0:
        spacing["t"] = (step, "s")
    settings = root.iterfind("./Metadata/DisplaySetting/Channels/Channel")
    colours = {channel.get("Name"): channel.findtext("Color") for channel in settings}
    channels = root.iterfind(f"{IMAGE}/Dimensions/Channels/Channel")
    names = [channel.get("Name", "") for channel in channels]
    tags = {}
    date = root.findtext(f"{IMAGE}/AcquisitionDateAndTime")
    if date:
        tags["OME_ACQUISITION_DATE"] = date
    ome_colours = tuple(_colour(colours.get(name)) for name in names)
    return Metadata(spacing, tuple(names), ome_colours, tags)


def _colour(word: str | None) -> str:
    """Return the number that OME-XML has for ``#AARRGGBB`` or ``#RRGGBB``; empty if it is none."""
    digits = (word or "").lstrip("#")[-6:]
    if len(digits) != 6:
        return ""
    red, green, blue = bytes.fromhex(digits)
    return ome_colour(red, green, blue)
