"""Frames of an enhanced DICOM file, which holds several slices (PS3.3, C.7.6.16).

Each frame has its own place and scale, in groups of fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OF_EACH, OF_ALL = "PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"
"""The fields with the groups of each frame, and with those that all frames share."""

GROUPS = {
    "PixelMeasuresSequence": ("PixelSpacing", "SliceThickness"),
    "PlanePositionSequence": ("ImagePositionPatient",),
    "PlaneOrientationSequence": ("ImageOrientationPatient",),
    "PixelValueTransformationSequence": ("RescaleSlope", "RescaleIntercept"),
}
"""The groups that are read of a frame, and their fields."""


def frames_of(data: Any) -> list[Any]:
    """Return the fields that place and scale each frame, by their names.

    A frame's own fields take precedence over shared ones. An ordinary file has one frame, whose
    fields are those of the header `data` itself.
    """
    if OF_EACH not in data:
        return [data]
    shared = _fields(next(iter(data.get(OF_ALL) or []), {}))
    return [{**shared, **_fields(own)} for own in data[OF_EACH]]


def _fields(groups: Any) -> Mapping[str, Any]:
    fields: dict[str, Any] = {}
    for group, names in GROUPS.items():
        for item in groups.get(group) or []:
            fields |= {name: item.get(name) for name in names if name in item}
    return fields
