"""The slices of a DICOM series, sorted and checked to be one volume."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from srlab.io.damage import CHECK_ENDING, empty
from srlab.io.images import chosen_image
from srlab.io.volume.dicom.headers import Header, headers_in, headers_of
from srlab.io.volume.geometry import VolumeGeometry, rows, three
from srlab.mistakes import Mistake

TOLERANCE = 0.1
"""How far a slice may be from its regular position, as a share of the step between slices.

Headers round positions.
"""

SAME_DIRECTION = 1e-3
"""The largest difference between the entries of two unit vectors that count as equal."""

TO_RAS = np.array([[-1.0], [-1.0], [1.0]])
"""Signs of x, y and z: DICOM counts to the left and the back, NIfTI to the right and the front."""


def series_of(path: Path, wanted: str = "") -> tuple[str, list[Header]]:
    """Return the name of a series and its slices: that of a file, or the `wanted` one in a folder.

    The name is empty if the folder has only one series. The slices are sorted by position along
    their normal (PS3.3, C.7.6.2.1.1).

    Raises a `Mistake` unless they make one volume, and what `chosen_image` raises.
    """
    name = ""
    if path.is_dir():
        name, slices = _wanted_series(path, wanted)
    else:
        chosen_image([path.name], wanted, path)
        named = headers_of(path)[0]
        others = headers_in(path.parent)
        slices = [other for other in others if other.series == named.series]
    for header in slices:
        _check_readable(header)
        _check_alike(slices[0], header)
    if len(slices) == 1:
        return name, slices
    for header in slices:
        if not header.position or not header.directions:
            raise Mistake(f"{header.path} does not say where its slice lies: leave this file out.")
    ordered = sorted(slices, key=lambda header: float(_normal(header) @ header.position))
    _check_places(ordered)
    return name, ordered


def geometry_of(slices: Sequence[Header]) -> VolumeGeometry:
    """Return the place of sorted slices in NIfTI's directions (PS3.3, C.7.6.2.1.1).

    The index i counts columns, j rows and k slices. A single slice has the thickness in its header,
    or else 1 mm.
    """
    first = slices[0]
    between_rows, between_columns = first.spacing or (1.0, 1.0)
    if not first.position or not first.directions:
        return VolumeGeometry((between_columns, between_rows, first.thickness or 1.0))
    row, column = np.reshape(first.directions, (2, 3))
    first_voxel = np.array(first.position)
    columns = [row * between_columns, column * between_rows, _step(slices), first_voxel]
    affine = np.column_stack(columns) * TO_RAS
    spacing = three(np.linalg.norm(affine[:, :3], axis=0))
    return VolumeGeometry(spacing, rows(affine), 1, space_unit="mm")


def _wanted_series(folder: Path, wanted: str) -> tuple[str, list[Header]]:
    """Return the name of a series, which is that of its first file, and its slices."""
    headers = headers_in(folder)
    firsts: dict[str, str] = {}
    for header in headers:
        firsts.setdefault(header.series, header.path.name)
    if not headers:
        raise Mistake(f"{folder} holds no DICOM image that pydicom can read. {CHECK_ENDING}")
    chosen = chosen_image(list(firsts.values()), wanted, folder)
    series = list(firsts)[chosen.index]
    return chosen.name, [header for header in headers if header.series == series]


def _check_readable(header: Header) -> None:
    if header.refusal:
        raise Mistake(f"{header.path} {header.refusal}")
    if min(header.shape) < 1:
        raise empty(header.path, header.shape)
    if header.slope == 0:
        raise Mistake(f"{header.path} has a slope of 0, so that all values are the same: mend it.")
    if header.spacing and min(header.spacing) <= 0:
        raise Mistake(f"{header.path} says that its pixels have no size: mend or leave it out.")
    if header.directions:
        axes = np.reshape(header.directions, (2, 3))
        if not np.allclose(axes @ axes.T, np.eye(2), atol=0.01):
            raise Mistake(f"{header.path} has directions of no right angle: mend or leave it out.")


def _check_alike(first: Header, other: Header) -> None:
    same = {
        "number of pixels": other.shape == first.shape,
        "type of values": other.stored == first.stored,
        "pixel spacing": _close(other.spacing, first.spacing),
        "direction of the slice": _close(other.directions, first.directions),
    }
    for what, agrees in same.items():
        if not agrees:
            raise Mistake(
                f"{other.path} differs from {first.path.name}, of the same series, in the {what}: "
                "a volume is wanted, so leave one of them out."
            )


def _close(first: Sequence[float], second: Sequence[float]) -> bool:
    return len(first) == len(second) and bool(
        np.allclose(first, second, rtol=0, atol=SAME_DIRECTION)
    )


def _check_places(ordered: Sequence[Header]) -> None:
    """Raise a `Mistake` unless the positions of the slices are equal steps along a line."""
    positions = np.array([header.position for header in ordered])
    steps = np.diff(positions @ _normal(ordered[0]))
    usual = float(np.median(steps))
    at = int(np.argmin(steps))
    if steps[at] <= TOLERANCE * max(usual, 1e-3):
        raise Mistake(
            f"{ordered[at].path} and {ordered[at + 1].path.name} lie at one place: the series is "
            "one over time, has several echoes, or holds copies. Convert it to NIfTI first, by "
            "dcm2niix, or put the files of one volume into a folder."
        )
    at = int(np.argmax(steps))
    if steps[at] > 1.5 * usual:
        raise Mistake(
            f"a slice is missing: from {ordered[at].path} to {ordered[at + 1].path.name} it is "
            f"{steps[at]:.4g} mm, and otherwise {usual:.4g} mm. Add the missing file, or leave out "
            "those beyond the gap."
        )
    regular = positions[0] + np.arange(len(ordered))[:, None] * _step(ordered)
    distances = np.linalg.norm(positions - regular, axis=1)
    at = int(np.argmax(distances))
    if distances[at] > TOLERANCE * usual:
        raise Mistake(
            f"{ordered[at].path} lies {distances[at]:.4g} mm beside its place in equal steps of "
            f"{usual:.4g} mm: the slices make no regular volume. Convert it to NIfTI first, by "
            "dcm2niix."
        )


def _step(ordered: Sequence[Header]) -> NDArray[np.float64]:
    """Return the vector from one slice to the next.

    If the scanner was tilted, the vector is not along the normal.
    """
    if len(ordered) == 1:
        return _normal(ordered[0]) * (ordered[0].thickness or 1.0)
    whole = np.subtract(ordered[-1].position, ordered[0].position)
    return np.asarray(whole / (len(ordered) - 1), np.float64)


def _normal(header: Header) -> NDArray[np.float64]:
    row, column = np.reshape(header.directions, (2, 3))
    return np.cross(row, column)
