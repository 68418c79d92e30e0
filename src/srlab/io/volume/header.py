"""Headers of volumes: their description, and a NIfTI header made from a description."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from srlab.io.damage import empty
from srlab.io.description import Axis, Channel, Description
from srlab.io.protocols import Provenance
from srlab.io.volume.geometry import Qform, VolumeGeometry, rows, three
from srlab.mistakes import Mistake

LARGEST_NIFTI1 = 2**15 - 1
"""Voxels along an axis of a NIfTI-1 file; NIfTI-2 holds more."""

TIME_UNITS = {"sec": "s", "msec": "ms", "usec": "µs"}
"""Units of time by nibabel's words."""

COMMENT = 6
"""The code of a header extension that holds plain text."""

KEPT = ("cal_min", "cal_max", "toffset", "intent_code", "intent_name", "aux_file")
"""Header fields that remain true if the number of voxels changes."""

EMPTY = ("", "0", "0.0")
"""The values of such a field when it is not used."""


@dataclass(frozen=True)
class Layout:
    """The sizes in a header, and what each of its axes is."""

    stored: tuple[int, ...]
    """The sizes along i, j, k, time and channels; later ones may be missing."""

    path: str

    @property
    def times(self) -> int:
        """The number of volumes in a series."""
        return self._size(3)

    @property
    def channels(self) -> int:
        """The number of channels, which are the file's fifth axis."""
        return self._size(4)

    @property
    def shape(self) -> tuple[int, ...]:
        """``(D, H, W)``, or ``(T, D, H, W)`` for a series."""
        space = tuple(self._size(axis) for axis in (2, 1, 0))
        return (self.times, *space) if self.times > 1 else space

    def check(self) -> None:
        """Raise a `Mistake` if the file is empty, or has more than 5 axes."""
        if not self.stored or min(self.stored) < 1:
            raise empty(self.path, self.stored)
        if any(size > 1 for size in self.stored[5:]):
            sizes = " x ".join(map(str, self.stored))
            raise Mistake(
                f"{self.path} has {len(self.stored)} axes ({sizes}), and at most 5 are read: save "
                "each part along the others as a file of space, time and channels."
            )

    def _size(self, axis: int) -> int:
        return self.stored[axis] if axis < len(self.stored) else 1


def described(image: Any, path: str) -> Description:
    """Describe an image that nibabel has opened.

    Raises a `Mistake` if values are complex or colours, or if the header contradicts itself.
    """
    layout = Layout(tuple(map(int, image.shape)), path)
    layout.check()
    dtype = np.dtype(image.header.get_data_dtype())
    if dtype.kind not in "iuf":
        raise Mistake(
            f"{path} holds values of the type {dtype}, which are complex or colours: write a file "
            "of real numbers first."
        )
    # MGH has no slope in its header; the proxy has 1 and 0 then.
    scale, offset = float(image.dataobj.slope), float(image.dataobj.inter)
    native = dtype.newbyteorder("=")
    channels = []
    for number in range(1, layout.channels + 1):
        channels.append(Channel(str(number), dtype=native, scale=scale, offset=offset))
    # The header of NIfTI-2 is a subclass of that of NIfTI-1.
    is_nifti = isinstance(image.header, nibabel.Nifti1Header)
    geometry, tags, time_axis = _read_nifti(image) if is_nifti else _read_other(image)
    _check_place(geometry, path)
    sizes = [size or None for size in reversed(geometry.spacing)]
    axes = [Axis(name, size, "mm") for name, size in zip("zyx", sizes, strict=True)]
    if layout.times > 1:
        axes.insert(0, time_axis)
    return Description(layout.shape, tuple(axes), tuple(channels), geometry, tags)


def _check_place(geometry: VolumeGeometry, path: str) -> None:
    """Raise a `Mistake` if voxels have no finite size, or if the affine puts them on a plane."""
    if not np.isfinite(geometry.spacing).all():
        raise Mistake(f"{path} has voxels of no finite size: write a valid pixdim.")
    affine = geometry.affine
    if affine is None:
        return
    columns = affine[:, :3]
    sizes = np.linalg.norm(columns, axis=0)
    if not np.isfinite(affine).all() or sizes.min() == 0 or _volume(columns / sizes) < 1e-6:
        form = "sform" if geometry.sform is not None else "qform"
        raise Mistake(
            f"{path} does not say where its voxels lie: its {form} is not finite, or flat. Write "
            "a valid one, or set its code to 0 if the place does not matter."
        )


def _volume(columns: NDArray[np.float64]) -> float:
    """Return the volume of the parallelepiped that three columns span."""
    return abs(float(np.linalg.det(columns)))


def _read_nifti(image: Any) -> tuple[VolumeGeometry, Mapping[str, str], Axis]:
    """Return the place, the tags and the axis of time of a NIfTI."""
    header = image.header
    space_unit, time_unit = _units(header)
    sform_code = int(header["sform_code"])
    sform = None
    if sform_code > 0:
        sform = rows(_numbers(header, "srow_", "xyz"))
    spacing = three(np.abs(_pixdim(header)[1:4]))
    geometry = VolumeGeometry(spacing, sform, sform_code, _qform(header), space_unit, time_unit)
    texts = {name: _text(header[name]) for name in KEPT}
    tags = {name: text for name, text in texts.items() if text not in EMPTY}
    step = abs(float(_pixdim(header)[4]))
    known_step = step if 0 < step < np.inf else None
    return geometry, tags, Axis("t", known_step, TIME_UNITS.get(time_unit))


def _qform(header: Any) -> Qform | None:
    code = int(header["qform_code"])
    if code <= 0:
        return None
    pixdim = _pixdim(header)
    return Qform(
        code,
        quaternion=three(_numbers(header, "quatern_", "bcd")),
        handedness=-1.0 if pixdim[0] < 0 else 1.0,
        spacing=three(np.abs(pixdim[1:4])),
        offset=three(_numbers(header, "qoffset_", "xyz")),
    )


def _pixdim(header: Any) -> NDArray[np.float64]:
    return np.array(header["pixdim"], np.float64)


def _numbers(header: Any, field: str, letters: str) -> NDArray[np.float64]:
    """Return the values of header fields whose names end in different letters."""
    return np.array([header[f"{field}{letter}"] for letter in letters], np.float64)


def _units(header: Any) -> tuple[str, str]:
    """Return nibabel's words for the units of space and time; ``unknown`` for an invalid code."""
    try:
        space, time = header.get_xyzt_units()
    except KeyError:
        return "unknown", "unknown"
    return str(space), str(time)


def _read_other(image: Any) -> tuple[VolumeGeometry, Mapping[str, str], Axis]:
    """Return the place, the tags and the axis of time of another format that nibabel reads.

    Such formats have one affine, except Analyze, which has none.
    """
    zooms = np.array(image.header.get_zooms(), np.float64)
    spacing = three(np.abs(np.append(zooms, [1.0, 1.0])[:3]))
    step = None
    if len(zooms) > 3 and zooms[3]:
        step = float(zooms[3])
    time_axis = Axis("t", step)
    if isinstance(image, nibabel.AnalyzeImage):
        return VolumeGeometry(spacing), {}, time_axis
    affine = rows(np.array(image.affine))
    return VolumeGeometry(spacing, affine, 1, space_unit="mm"), {}, time_axis


def _text(value: Any) -> str:
    item = np.asarray(value).item()
    return item.decode(errors="replace") if isinstance(item, bytes) else str(item)


def nifti_header(
    description: Description, geometry: VolumeGeometry, provenance: Provenance, *, clipped: int = 0
) -> Any:
    """Return a NIfTI-1 header for an image, or a NIfTI-2 header if the image is too large.

    The header tells how many values were `clipped`. Its length does not depend on this number, so
    it can be written again when all blocks are there.
    """
    *times, depth, height, width = description.shape
    sizes = [width, height, depth, *times]
    if len(description.channels) > 1:
        sizes = [width, height, depth, *(times or [1]), len(description.channels)]
    fits_nifti1 = max(sizes) <= LARGEST_NIFTI1
    header = nibabel.Nifti1Header() if fits_nifti1 else nibabel.Nifti2Header()
    header.set_data_dtype(description.dtype)
    header.set_data_shape(sizes)
    first = description.channels[0]
    header["scl_slope"], header["scl_inter"] = first.scale, first.offset
    _set_place(header, geometry, description)
    for name, value in description.tags.items():
        if name in KEPT:
            header[name] = value.encode() if header[name].dtype.kind == "S" else float(value)
    summary = f"{provenance.description} by {provenance.software}"
    if clipped:
        summary = f"{clipped} values clipped; {summary}"
    header["descrip"] = summary.encode()[:79]  # the field holds 80 bytes, of which the last is 0
    text = json.dumps(provenance.tags(), sort_keys=True).encode()
    header.extensions.append(nibabel.nifti1.Nifti1Extension(COMMENT, text))
    # Voxels follow the header in the same file ("single").
    header["vox_offset"] = header.single_vox_offset + header.extensions.get_sizeondisk()
    header["magic"] = header.single_magic
    return header


def _set_place(header: Any, geometry: VolumeGeometry, description: Description) -> None:
    header["pixdim"][1:4] = geometry.spacing
    if len(description.axes) > 3:
        header["pixdim"][4] = description.axes[0].spacing or 0.0
    header.set_xyzt_units(geometry.space_unit, geometry.time_unit)
    qform = geometry.qform
    if qform is not None:
        header["qform_code"], header["pixdim"][0] = qform.code, qform.handedness
        for name, value in zip("bcd", qform.quaternion, strict=True):
            header[f"quatern_{name}"] = value
        for name, value in zip("xyz", qform.offset, strict=True):
            header[f"qoffset_{name}"] = value
    if geometry.sform is not None:
        header["sform_code"] = geometry.sform_code
        for name, row in zip("xyz", geometry.sform, strict=True):
            header[f"srow_{name}"] = row
