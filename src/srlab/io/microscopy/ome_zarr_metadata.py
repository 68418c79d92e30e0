"""Reading and making the attributes of an OME-Zarr image (OME-NGFF 0.4 and 0.5)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

from srlab.io.description import Axis, Channel, Description
from srlab.io.microscopy.channels import ome_colour
from srlab.io.microscopy.metadata import unit_of
from srlab.mistakes import Mistake

NAMES = "tczyx"
"""The axes, in the order that the standard demands."""

TYPES = {"t": "time", "c": "channel"}
"""The standard's types of axes; all others are ``space``."""

UNIT_NAMES = {
    "µm": "micrometer",
    "nm": "nanometer",
    "mm": "millimeter",
    "m": "meter",
    "s": "second",
    "ms": "millisecond",
    "min": "minute",
    "h": "hour",
}
"""The standard's names of units."""

WHITE = "FFFFFF"

CORNER = "OME_ZARR_CORNER"
"""The tag with the position of the image's outer corner along each axis of space, as JSON.

Unlike the centre of the first pixel, the corner stays where it is if pixels become smaller.
"""


@dataclass(frozen=True)
class Image:
    """The content of an image's attributes: where its array is, its axes and its channels."""

    array: str
    """The path of the finest level within the store."""

    axes: tuple[str, ...]
    spacing: Mapping[str, tuple[float, str | None]]
    """The distance from pixel to pixel and its unit, for the axes for which it is known."""

    names: tuple[str, ...] = ()
    """The names of the channels; an empty text for one without a name."""

    colours: tuple[str, ...] = ()
    """The colours of the channels, as OME's signed numbers; an empty text for an unknown one."""

    tags: Mapping[str, str] = field(default_factory=dict)


def ome_of(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the OME part of a group's attributes: ``ome`` in version 0.5, all of them in 0.4."""
    inner = attributes.get("ome")
    return inner if isinstance(inner, Mapping) else attributes


def read_image(attributes: Mapping[str, Any], path: object) -> Image:
    """Read the first image of a group.

    Raises a `Mistake` if there is none. Attributes that contradict the standard raise a KeyError,
    TypeError or ValueError.
    """
    ome = ome_of(attributes)
    if not ome.get("multiscales"):
        raise Mistake(
            f"{path} has no multiscales among its attributes, so it is no OME-Zarr image of "
            "version 0.4 or 0.5: name the folder of an image in it, or another file."
        )
    multiscale = ome["multiscales"][0]
    if not all(isinstance(axis, Mapping) for axis in multiscale.get("axes", [None])):
        raise Mistake(
            f"{path} is an OME-Zarr older than 0.4, whose axes have neither types nor units: "
            "convert it to 0.4 or 0.5."
        )
    channels = ome.get("omero", {}).get("channels", ())
    spacing, corner = _spacing_and_corner(multiscale)
    tags = {"OME_NAME": str(multiscale["name"])} if multiscale.get("name") else {}
    if corner:
        tags[CORNER] = json.dumps(corner)
    return Image(
        array=str(multiscale["datasets"][0]["path"]),
        axes=tuple(map(_axis_name, multiscale["axes"])),
        spacing=spacing,
        names=tuple(str(channel.get("label") or "") for channel in channels),
        colours=tuple(_signed(channel.get("color")) for channel in channels),
        tags=tags,
    )


def _spacing_and_corner(
    multiscale: Mapping[str, Any],
) -> tuple[dict[str, tuple[float, str | None]], dict[str, float]]:
    """Return the spacing of the finest level along each axis, and the corner of the image."""
    steps, centre = _transformed(multiscale)
    spacing, corner = {}, {}
    for step, position, axis in zip(steps, centre, multiscale["axes"], strict=True):
        name, unit = _axis_name(axis), axis.get("unit")
        is_known = unit or step != 1  # the standard demands a scale, so 1 without a unit is empty
        if is_known and 0 < step < inf:
            spacing[name] = step, unit and unit_of(str(unit))
            if name in "zyx":
                corner[name] = position - step / 2
    return spacing, corner


def _transformed(multiscale: Mapping[str, Any]) -> tuple[list[float], list[float]]:
    """Return the steps of the finest level, and the position of its first pixel's centre.

    The transforms of the level apply first, then those of all levels.
    """
    count = len(multiscale["axes"])
    steps, centre = [1.0] * count, [0.0] * count
    of_level = multiscale["datasets"][0].get("coordinateTransformations", ())
    for transform in (*of_level, *multiscale.get("coordinateTransformations", ())):
        if transform["type"] == "scale":
            factors = [float(factor) for factor in transform["scale"]]
            steps = [step * factor for step, factor in zip(steps, factors, strict=True)]
            centre = [at * factor for at, factor in zip(centre, factors, strict=True)]
        if transform["type"] == "translation":
            moves = [float(move) for move in transform["translation"]]
            centre = [at + move for at, move in zip(centre, moves, strict=True)]
    return steps, centre


def _axis_name(axis: Mapping[str, Any]) -> str:
    if axis.get("type") == "channel":
        return "c"
    return str(axis["name"]).lower()


def _signed(colour: object) -> str:
    """Return a hexadecimal RRGGBB as the number that OME-XML has for it; empty if it is none."""
    text = str(colour or "").lstrip("#")
    if len(text) != 6:
        return ""
    return ome_colour(*bytes.fromhex(text))


def made_image(
    description: Description,
    *,
    levels: int,
    windows: Sequence[Mapping[str, float]],
    version: str,
) -> dict[str, Any]:
    """Return the attributes of a group whose arrays ``0``, ``1`` etc. are the levels of an image.

    `windows` tells viewers which values to show of each channel: start, end, min and max.
    """
    known = {axis.name: axis for axis in description.axes}
    names = [name for name in NAMES if name == "c" or name in known]
    steps = {name: axis.spacing or 1.0 for name, axis in known.items()}
    first = _first_centre(description, steps)
    image: dict[str, Any] = {
        "axes": [_axis(name, known.get(name)) for name in names],
        "datasets": [_level(names, steps, first, level) for level in range(levels)],
        "type": "mean of 2 x 2",
    }
    if "OME_NAME" in description.tags:
        image["name"] = description.tags["OME_NAME"]
    shown = zip(description.channels, windows, strict=True)
    channels = [_channel(channel, window) for channel, window in shown]
    if version == "0.5":
        omero = {"channels": channels}
        return {"ome": {"version": version, "multiscales": [image], "omero": omero}}
    image["version"] = version
    return {"multiscales": [image], "omero": {"version": version, "channels": channels}}


def _axis(name: str, known: Axis | None) -> dict[str, str]:
    axis = {"name": name, "type": TYPES.get(name, "space")}
    if known and known.unit:
        axis["unit"] = UNIT_NAMES.get(known.unit, known.unit)
    return axis


def _first_centre(description: Description, steps: Mapping[str, float]) -> dict[str, float]:
    """Return the position of the first pixel's centre, along the axes whose corner is known."""
    corner: Mapping[str, float] = json.loads(description.tags.get(CORNER, "{}"))
    first = {}
    for name, at in corner.items():
        if name in steps:
            # Further digits are rounding errors of subtracting and adding half a pixel.
            first[name] = round(at / steps[name] + 0.5, 9) * steps[name]
    return first


def _level(
    names: Sequence[str], steps: Mapping[str, float], first: Mapping[str, float], level: int
) -> dict[str, Any]:
    """Return the attributes of a level: its path, pixel sizes and first pixel's centre.

    Its planes have been halved `level` times along y and x.
    """
    scale, translation = [], []
    for name in names:
        step, coarser = steps.get(name, 1.0), 1
        if name in "yx":
            coarser = 2**level
        scale.append(step * coarser)
        # The centre of a coarser pixel is in the middle of the pixels whose mean it is.
        translation.append(first.get(name, 0.0) + step * (coarser - 1) / 2)
    transforms: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
    if any(translation):
        transforms.append({"type": "translation", "translation": translation})
    return {"path": str(level), "coordinateTransformations": transforms}


def _channel(channel: Channel, window: Mapping[str, float]) -> dict[str, Any]:
    colour = WHITE
    if "OME_COLOR" in channel.tags:
        colour = f"{int(channel.tags['OME_COLOR']) >> 8 & 0xFFFFFF:06X}"
    return {"label": channel.name, "color": colour, "window": dict(window), "active": True}
