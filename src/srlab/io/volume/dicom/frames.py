"""Frames of an enhanced DICOM file, each with its own place and scale (PS3.3, C.7.6.16)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OF_EACH, OF_ALL = "PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"

GROUPS = {
    "PixelMeasuresSequence": ("PixelSpacing", "SliceThickness"),
    "PlanePositionSequence": ("ImagePositionPatient",),
    "PlaneOrientationSequence": ("ImageOrientationPatient",),
    "PixelValueTransformationSequence": ("RescaleSlope", "RescaleIntercept"),
}
"""The groups of fields that are read of a frame."""


def frames_of(data: Any) -> list[Any]:
    """Return what places and scales each frame of a header, by the names of its fields.

    A frame's own fields go before those that all share. An ordinary header is its only frame.
    """
    if OF_EACH not in data:
        return [data]
    shared = _fields(next(iter(data.get(OF_ALL) or []), {}))
    return [{**shared, **_fields(own)} for own in data[OF_EACH]]


def _fields(groups: Any) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    for group, names in GROUPS.items():
        for item in groups.get(group) or []:
            found |= {name: item.get(name) for name in names if name in item}
    return found
