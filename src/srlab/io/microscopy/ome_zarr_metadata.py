"""The attributes of an OME-Zarr image (OME-NGFF 0.4 and 0.5), read and made."""

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

TYPES = {"t": "time", "c": "channel"}
"""Of the axes that are not space."""

WORDS = {
    "µm": "micrometer",
    "nm": "nanometer",
    "mm": "millimeter",
    "m": "meter",
    "s": "second",
    "ms": "millisecond",
    "min": "minute",
    "h": "hour",
}
"""The standard's words for units."""

WHITE = "FFFFFF"

CORNER = "OME_ZARR_CORNER"
"""The tag of the outer corner of the first pixel, by the axis of space, as JSON.

It lies where it lay, whatever the number of pixels between it and the last.
"""


@dataclass(frozen=True)
class Image:
    """An image by its attributes: the array of its finest level, its axes and its channels."""

    array: str
    """The path of the finest level within the store."""

    axes: tuple[str, ...]
    spacing: Mapping[str, tuple[float, str | None]]
    """From one pixel to the next and the unit, by the axis; missing where nothing is said."""

    names: tuple[str, ...] = ()
    """Of the channels, as far as they are named."""

    colours: tuple[str, ...] = ()
    """Of the channels, as OME's signed numbers; empty where there is none."""

    tags: Mapping[str, str] = field(default_factory=dict)


def ome_of(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the part of a group's attributes that is OME's: ``ome`` in 0.5, all of it in 0.4."""
    inner = attributes.get("ome")
    return inner if isinstance(inner, Mapping) else attributes


def read_image(attributes: Mapping[str, Any], path: object) -> Image:
    """Read the first image of a group.

    Raises a `Mistake` if there is none. Attributes that contradict the standard raise a KeyError,
    TypeError or ValueError.
    """
    ome = ome_of(attributes)
    if "plate" in ome:
        raise Mistake(
            f"{path} is a plate of many images: copy the one that is to be read, such as A/1/0, "
            "to a folder x.ome.zarr of its own."
        )
    if not ome.get("multiscales"):
        raise Mistake(
            f"{path} has no multiscales among its attributes, so it is no OME-Zarr image of "
            "version 0.4 or 0.5: name the folder of an image in it, or another file."
        )
    about = ome["multiscales"][0]
    if not all(isinstance(axis, Mapping) for axis in about.get("axes", [None])):
        raise Mistake(
            f"{path} is an OME-Zarr older than 0.4, whose axes have neither types nor units: "
            "convert it to 0.4 or 0.5."
        )
    channels = ome.get("omero", {}).get("channels", ())
    spacing, corner = _placed(about)
    tags = {"OME_NAME": str(about["name"])} if about.get("name") else {}
    if corner:
        tags[CORNER] = json.dumps(corner)
    return Image(
        array=str(about["datasets"][0]["path"]),
        axes=tuple(map(_name, about["axes"])),
        spacing=spacing,
        names=tuple(str(channel.get("label") or "") for channel in channels),
        colours=tuple(_signed(channel.get("color")) for channel in channels),
        tags=tags,
    )


def _placed(
    about: Mapping[str, Any],
) -> tuple[dict[str, tuple[float, str | None]], dict[str, float]]:
    """Return the steps of the finest level and its corner, by its own transforms and then all's."""
    count = len(about["axes"])
    steps, places = [1.0] * count, [0.0] * count
    finest = about["datasets"][0].get("coordinateTransformations", ())
    for transform in (*finest, *about.get("coordinateTransformations", ())):
        if transform["type"] == "scale":
            factors = [float(factor) for factor in transform["scale"]]
            steps = [step * factor for step, factor in zip(steps, factors, strict=True)]
            places = [place * factor for place, factor in zip(places, factors, strict=True)]
        if transform["type"] == "translation":
            moves = zip(places, transform["translation"], strict=True)
            places = [place + float(move) for place, move in moves]
    spacing, corner = {}, {}
    for step, place, axis in zip(steps, places, about["axes"], strict=True):
        name, unit = _name(axis), axis.get("unit")
        said = unit or step != 1  # the scale must be given, so 1 alone says nothing
        if said and 0 < step < inf:
            spacing[name] = step, unit and unit_of(str(unit))
            if name in "zyx":
                corner[name] = place - step / 2
    return spacing, corner


def _name(axis: Mapping[str, Any]) -> str:
    if axis.get("type") == "channel":
        return "c"
    return str(axis["name"]).lower()


def _signed(colour: object) -> str:
    """Return a hexadecimal RRGGBB as OME-XML's signed number of RRGGBBAA, or nothing."""
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
    """Return the attributes of a group with `levels` arrays, named 0, 1 and so on.

    `windows` are those in which viewers show the channels: start, end, min and max.
    """
    known = {axis.name: axis for axis in description.axes}
    names = [name for name in NAMES if name == "c" or name in known]
    steps = {name: axis.spacing or 1.0 for name, axis in known.items()}
    first = _first(description, steps)
    image: dict[str, Any] = {
        "axes": [_axis(name, known.get(name)) for name in names],
        "datasets": [_dataset(names, steps, first, level) for level in range(levels)],
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
    about = {"name": name, "type": TYPES.get(name, "space")}
    if known and known.unit:
        about["unit"] = WORDS.get(known.unit, known.unit)
    return about


def _first(description: Description, steps: Mapping[str, float]) -> dict[str, float]:
    """Return where the centre of the first pixel lies, by the axis, if its corner is known."""
    corner: Mapping[str, float] = json.loads(description.tags.get(CORNER, "{}"))
    first = {}
    for name, at in corner.items():
        if name in steps:
            # Digits beyond these are left over from the half that was taken away and given back.
            first[name] = round(at / steps[name] + 0.5, 9) * steps[name]
    return first


def _dataset(
    names: Sequence[str], steps: Mapping[str, float], first: Mapping[str, float], level: int
) -> dict[str, Any]:
    """Return scale and place of a level, each of whose planes was halved `level` times."""
    scale, translation = [], []
    for name in names:
        step, coarser = steps.get(name, 1.0), 1
        if name in "yx":
            coarser = 2**level
        scale.append(step * coarser)
        # The centre of a coarser pixel lies in the middle of those that it is the mean of.
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
