"""What microscopes' files say beside their pixels, in the words of OME-XML and of ImageJ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite, prod
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from srlab.mistakes import Mistake

MOST_PLANES = 2**24
"""Planes of an image, which are listed in memory before the first is read."""

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
"""Spellings of units, as one."""


@dataclass(frozen=True)
class Metadata:
    """Sizes, names and colours; what the file does not say is missing."""

    spacing: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    """From one pixel to the next and the unit, by the axis: ``t``, ``z``, ``y`` or ``x``."""

    names: tuple[str, ...] = ()
    """Of the channels."""

    colours: tuple[str, ...] = ()
    """Of the channels, as OME's signed numbers; empty where there is none."""

    tags: Mapping[str, str] = field(default_factory=dict)


def of_ome(xml: str, image: int = 0) -> Metadata:
    """Read OME-XML (Goldberg et al. 2005) about its image of that number."""
    root = ElementTree.fromstring(xml)
    images = root.findall("{*}Image")
    if image >= len(images):
        return Metadata()
    one = images[image]
    pixels = one.find("{*}Pixels")
    if pixels is None:
        return Metadata()
    spacing = {}
    for axis in "xyz":
        size = pixels.get(f"PhysicalSize{axis.upper()}")
        if size is not None and _is_step(size):
            unit = pixels.get(f"PhysicalSize{axis.upper()}Unit", MICROMETRE)
            spacing[axis] = (float(size), unit_of(unit))
    step = pixels.get("TimeIncrement")
    if step is not None and _is_step(step):
        spacing["t"] = (float(step), unit_of(pixels.get("TimeIncrementUnit", "s")))
    channels = pixels.findall("{*}Channel")
    tags = {}
    if one.get("Name"):
        tags["OME_NAME"] = one.get("Name", "")
    date = one.find("{*}AcquisitionDate")
    if date is not None and date.text:
        tags["OME_ACQUISITION_DATE"] = date.text
    return Metadata(
        spacing,
        tuple(channel.get("Name", "") for channel in channels),
        tuple(channel.get("Color", "") for channel in channels),
        tags,
    )


def check_planes(xml: str, path: str) -> None:
    """Raise a `Mistake` if OME-XML claims more planes than a list of them can hold."""
    for pixels in ElementTree.fromstring(xml).iterfind("{*}Image/{*}Pixels"):
        sizes = prod(int(pixels.get(f"Size{axis}", 1)) for axis in "TCZ")
        parts = pixels.findall("{*}TiffData")
        counts = [int(part.get("PlaneCount", part.get("NumPlanes", 1))) for part in parts]
        most = max(sizes, *counts, 0)
        if most > MOST_PLANES:
            raise Mistake(
                f"{path} says that it has {most} planes, and at most {MOST_PLANES} are read: it is "
                "damaged, or must be divided."
            )


def check_companions(xml: str, path: Path) -> None:
    """Raise a `Mistake` if OME-XML names a file that tifffile must not open.

    It would read any file outside the image's folder, and wait for a pipe without an end.
    """
    for part in ElementTree.fromstring(xml).iterfind("{*}Image/{*}Pixels/{*}TiffData/{*}UUID"):
        name = part.get("FileName", "")
        file = path.parent / name
        if Path(name).name != name or (file.exists() and not file.is_file()):
            raise Mistake(
                f"{path} says that planes of it lie in {name!r}, which is no file in its own "
                "folder: put all files of the image into one folder, and write their names anew."
            )


def of_imagej(about: Mapping[str, Any], pixels_per_unit: tuple[float, float]) -> Metadata:
    """Read ImageJ's keys; `pixels_per_unit` along y and x, 0 where unknown."""
    unit = unit_of(str(about.get("unit", "")))
    spacing = {}
    if unit and unit != "pixel":
        for axis, density in zip("yx", pixels_per_unit, strict=True):
            if density > 0:
                spacing[axis] = (1 / density, unit)
        if _is_step(about.get("spacing", 0)):
            spacing["z"] = (float(about["spacing"]), unit)
    if _is_step(about.get("finterval", 0)):
        spacing["t"] = (float(about["finterval"]), unit_of(str(about.get("tunit", "s"))))
    return Metadata(spacing)


def _is_step(value: Any) -> bool:
    return float(value) > 0 and isfinite(float(value))


def unit_of(word: str) -> str:
    """Return the one spelling of a unit."""
    return UNITS.get(word, word)
