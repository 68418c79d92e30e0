"""Pixel sizes, names, colours and dates in OME-XML and in ImageJ's description."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite, prod
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from srlab.mistakes import Mistake

MOST_PLANES = 2**24
"""The most planes of an image, since all are listed in memory before the first is read."""

MICROMETRE = "µm"

UNITS = {
    "micron": MICROMETRE,
    "microns": MICROMETRE,
    "micrometer": MICROMETRE,
    "micrometre": MICROMETRE,
    "um": MICROMETRE,
    "\u03bcm": MICROMETRE,  # the Greek letter, where the sign is meant
    "\\u00B5m": MICROMETRE,  # ImageJ writes these six characters
    "nanometer": "nm",
    "nanometre": "nm",
    "millimeter": "mm",
    "millimetre": "mm",
    "meter": "m",
    "sec": "s",
    "second": "s",
    "millisecond": "ms",
    "minute": "min",
    "hour": "h",
}
"""The one spelling of a unit that is used here, for other spellings of it."""


@dataclass(frozen=True)
class Metadata:
    """The metadata of an image, as far as the file has them."""

    spacing: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    """The distance from pixel to pixel and its unit, for the axes ``t``, ``z``, ``y`` and ``x``."""

    names: tuple[str, ...] = ()
    """The names of the channels."""

    colours: tuple[str, ...] = ()
    """The colours of the channels, as OME's signed numbers; an empty text for an unknown one."""

    tags: Mapping[str, str] = field(default_factory=dict)
    """The name of the image and its date, under ``OME_NAME`` and ``OME_ACQUISITION_DATE``."""


def of_ome(xml: str, image: int = 0) -> Metadata:
    """Read the metadata of an image in OME-XML (Goldberg et al. 2005), by its number from 0."""
    images = ElementTree.fromstring(xml).findall("{*}Image")
    if image >= len(images):
        return Metadata()
    element = images[image]
    pixels = element.find("{*}Pixels")
    if pixels is None:
        return Metadata()
    channels = pixels.findall("{*}Channel")
    return Metadata(
        _ome_spacing(pixels),
        tuple(channel.get("Name", "") for channel in channels),
        tuple(channel.get("Color", "") for channel in channels),
        _ome_tags(element),
    )


def _ome_spacing(pixels: Element) -> dict[str, tuple[float, str]]:
    spacing = {}
    for axis in "xyz":
        size = pixels.get(f"PhysicalSize{axis.upper()}")
        if size is not None and _is_step(size):
            unit = pixels.get(f"PhysicalSize{axis.upper()}Unit", MICROMETRE)
            spacing[axis] = (float(size), unit_of(unit))
    step = pixels.get("TimeIncrement")
    if step is not None and _is_step(step):
        spacing["t"] = (float(step), unit_of(pixels.get("TimeIncrementUnit", "s")))
    return spacing


def _ome_tags(image: Element) -> dict[str, str]:
    tags = {}
    if image.get("Name"):
        tags["OME_NAME"] = image.get("Name", "")
    date = image.findtext("{*}AcquisitionDate")
    if date:
        tags["OME_ACQUISITION_DATE"] = date
    return tags


def images_of_ome(xml: str) -> list[str]:
    """Return the names of the images of OME-XML, in their order."""
    images = ElementTree.fromstring(xml).iterfind("{*}Image")
    return [image.get("Name", "") for image in images]


def check_planes(xml: str, path: str) -> None:
    """Raise a `Mistake` if OME-XML claims more than `MOST_PLANES` planes."""
    for pixels in ElementTree.fromstring(xml).iterfind("{*}Image/{*}Pixels"):
        sizes = prod(int(pixels.get(f"Size{axis}", 1)) for axis in "TCZ")
        parts = pixels.findall("{*}TiffData")
        counts = [int(part.get("PlaneCount", part.get("NumPlanes", 1))) for part in parts]
        most = max(sizes, *counts, 0)
        if most > MOST_PLANES:
            raise Mistake(
                f"{path} says that it has {most} planes, and at most {MOST_PLANES} are read: "
                "export it anew, in several files if it has that many."
            )


def check_companions(xml: str, path: Path) -> None:
    """Raise a `Mistake` if OME-XML says that planes lie in a file that must not be opened.

    tifffile would read files outside the folder of the image, and wait for ever for a pipe.
    """
    for part in ElementTree.fromstring(xml).iterfind("{*}Image/{*}Pixels/{*}TiffData/{*}UUID"):
        name = part.get("FileName", "")
        file = path.parent / name
        if Path(name).name != name or (file.exists() and not file.is_file()):
            raise Mistake(
                f"{path} says that planes of it lie in {name!r}, which is no file in its own "
                "folder: put all files of the image into one folder, and write their names anew."
            )


def of_imagej(keys: Mapping[str, Any], pixels_per_unit: tuple[float, float]) -> Metadata:
    """Read the keys of ImageJ's description; `pixels_per_unit` is ``(y, x)``, 0 if unknown."""
    unit = unit_of(str(keys.get("unit", "")))
    spacing = {}
    if unit and unit != "pixel":
        for axis, density in zip("yx", pixels_per_unit, strict=True):
            if density > 0:
                spacing[axis] = (1 / density, unit)
        if _is_step(keys.get("spacing", 0)):
            spacing["z"] = (float(keys["spacing"]), unit)
    if _is_step(keys.get("finterval", 0)):
        spacing["t"] = (float(keys["finterval"]), unit_of(str(keys.get("tunit", "s"))))
    return Metadata(spacing)


def _is_step(value: Any) -> bool:
    """Whether a value can be the distance between pixels."""
    return float(value) > 0 and isfinite(float(value))


def unit_of(word: str) -> str:
    """Return the spelling of a unit that is used here; an unknown word stays as it is."""
    return UNITS.get(word, word)
