"""NIfTI headers: read as descriptions, and made from descriptions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from srlab.io.description import Axis, Channel, Description
from srlab.io.protocols import Provenance
from srlab.io.volume.geometry import Qform, VolumeGeometry, rows, three
from srlab.mistakes import Mistake

LARGEST_NIFTI1 = 2**15 - 1
"""Voxels along an axis of a NIfTI-1 file; NIfTI-2 holds more."""

TIME_UNITS = {"sec": "s", "msec": "ms", "usec": "µs"}

COMMENT = 6
"""The code of an extension that holds plain text."""

KEPT = ("cal_min", "cal_max", "toffset", "intent_code", "intent_name", "aux_file")
"""Header fields that hold whatever the number of voxels."""


NOTHING = ("", "0", "0.0")
"""What such a field holds where it says nothing."""


@dataclass(frozen=True)
class Layout:
    """The sizes in a header, and the place in it of time and of the channels."""

    stored: tuple[int, ...]
    """``(i, j, k, …)``, as nibabel gives it."""

    path: str

    @property
    def times(self) -> int:
        """The volumes that follow each other in time."""
        return self._size(3)

    @property
    def channels(self) -> int:
        """The values of each voxel, along the file's fifth axis."""
        return self._size(4)

    @property
    def shape(self) -> tuple[int, ...]:
        """``(D, H, W)``, or ``(T, D, H, W)`` where there are several volumes."""
        space = tuple(self._size(axis) for axis in (2, 1, 0))
        return (self.times, *space) if self.times > 1 else space

    def check(self) -> None:
        """Raise a `Mistake` unless these are volumes."""
        sizes = " x ".join(map(str, self.stored))
        if not self.stored or min(self.stored) < 1:
            raise Mistake(f"{self.path} is empty: its header says {sizes or 'nothing'} voxels.")
        if any(size > 1 for size in self.stored[5:]):
            raise Mistake(
                f"{self.path} has {len(self.stored)} axes ({sizes}); at most 5 are read: space, "
                "time and channels."
            )

    def _size(self, axis: int) -> int:
        return self.stored[axis] if axis < len(self.stored) else 1


def described(image: Any, path: str) -> Description:
    """Describe an opened image; a `Mistake` if its numbers are no real ones."""
    layout = Layout(tuple(map(int, image.shape)), path)
    layout.check()
    dtype = np.dtype(image.header.get_data_dtype())
    if dtype.kind not in "iuf":
        raise Mistake(
            f"{path} holds values of the type {dtype}, which are complex or colours: write a file "
            "of real numbers first."
        )
    # A header of MGH knows no slope, and its proxy has those of nothing.
    slope, offset = image.dataobj.slope, image.dataobj.inter
    channels = [
        Channel(
            str(number), dtype=dtype.newbyteorder("="), scale=float(slope), offset=float(offset)
        )
        for number in range(1, layout.channels + 1)
    ]
    geometry, tags, step = _nifti(image) if _is_nifti(image) else _other(image)
    _check_place(geometry, path)
    sizes = [size or None for size in reversed(geometry.spacing)]
    axes = [Axis(name, size, "mm") for name, size in zip("zyx", sizes, strict=True)]
    if layout.times > 1:
        axes.insert(0, step)
    return Description(layout.shape, tuple(axes), tuple(channels), geometry, tags)


def _check_place(geometry: VolumeGeometry, path: str) -> None:
    """Raise a `Mistake` if voxels have no size, or the form that counts puts them on a plane."""
    if not np.isfinite(geometry.spacing).all():
        raise Mistake(f"{path} has voxels of no finite size: write a valid pixdim.")
    affine = geometry.affine
    if affine is None:
        return
    sizes = np.linalg.norm(affine[:, :3], axis=0)
    if not np.isfinite(affine).all() or sizes.min() == 0 or _volume(affine[:, :3] / sizes) < 1e-6:
        form = "sform" if geometry.sform is not None else "qform"
        raise Mistake(
            f"{path} does not say where its voxels lie: its {form} is not finite, or flat. Write "
            "a valid one, or set its code to 0 if the place does not matter."
        )


def _volume(columns: NDArray[np.float64]) -> float:
    return abs(float(np.linalg.det(columns)))


def _is_nifti(image: Any) -> bool:
    return isinstance(image.header, nibabel.Nifti1Header)  # NIfTI-2's is one of its kind


def _nifti(image: Any) -> tuple[VolumeGeometry, Mapping[str, str], Axis]:
    header = image.header
    pixdim = np.array(header["pixdim"], np.float64)
    spacing = three(np.abs(pixdim[1:4]))
    space_unit, time_unit = _units(header)
    sform_code, qform_code = int(header["sform_code"]), int(header["qform_code"])
    qform = None
    if qform_code > 0:
        qform = Qform(
            qform_code,
            three(np.array([header[f"quatern_{name}"] for name in "bcd"], np.float64)),
            -1.0 if pixdim[0] < 0 else 1.0,
            spacing,
            three(np.array([header[f"qoffset_{name}"] for name in "xyz"], np.float64)),
        )
    sform = None
    if sform_code > 0:
        sform = rows(np.array([header[f"srow_{name}"] for name in "xyz"], np.float64))
    geometry = VolumeGeometry(spacing, sform, sform_code, qform, space_unit, time_unit)
    tags = {name: _text(header[name]) for name in KEPT if _text(header[name]) not in NOTHING}
    duration = abs(float(pixdim[4]))
    known = duration if 0 < duration < np.inf else None
    step = Axis("t", known, TIME_UNITS.get(time_unit))
    return geometry, tags, step


def _units(header: Any) -> tuple[str, str]:
    """Return the words for the units of space and time, ``unknown`` for a code of none."""
    try:
        space, time = header.get_xyzt_units()
    except KeyError:
        return "unknown", "unknown"
    return str(space), str(time)


def _other(image: Any) -> tuple[VolumeGeometry, Mapping[str, str], Axis]:
    """Describe a format of one affine, or of none (Analyze), that nibabel reads."""
    zooms = np.array(image.header.get_zooms(), np.float64)
    spacing = three(np.abs(np.append(zooms, [1.0, 1.0])[:3]))
    step = Axis("t", float(zooms[3]) or None if len(zooms) > 3 else None)
    if isinstance(image, nibabel.AnalyzeImage):
        return VolumeGeometry(spacing), {}, step
    return VolumeGeometry(spacing, rows(np.array(image.affine)), 1, space_unit="mm"), {}, step


def _text(value: Any) -> str:
    item = np.asarray(value).item()
    return item.decode(errors="replace") if isinstance(item, bytes) else str(item)


def made(
    description: Description, geometry: VolumeGeometry, provenance: Provenance, *, clipped: int = 0
) -> Any:
    """Return a NIfTI header for an image as described, of the first version that holds it.

    It says how many values were `clipped`, and is as long whatever their number.
    """
    *times, depth, height, width = description.shape
    sizes = [width, height, depth, *(times or [])]
    if len(description.channels) > 1:
        sizes = [width, height, depth, *(times or [1]), len(description.channels)]
    small = max(sizes) <= LARGEST_NIFTI1
    header = nibabel.Nifti1Header() if small else nibabel.Nifti2Header()
    header.set_data_dtype(description.dtype)
    header.set_data_shape(sizes)
    first = description.channels[0]
    header["scl_slope"], header["scl_inter"] = first.scale, first.offset
    _place(header, geometry, description)
    for name, value in description.tags.items():
        if name in KEPT:
            header[name] = value.encode() if header[name].dtype.kind == "S" else float(value)
    about = f"{provenance.description} by {provenance.software}"
    if clipped:
        about = f"{clipped} values clipped; {about}"
    header["descrip"] = about.encode()[:79]
    text = json.dumps(provenance.tags(), sort_keys=True).encode()
    header.extensions.append(nibabel.nifti1.Nifti1Extension(COMMENT, text))
    own_size = header.single_vox_offset
    header["vox_offset"] = own_size + header.extensions.get_sizeondisk()
    header["magic"] = header.single_magic
    return header


def _place(header: Any, geometry: VolumeGeometry, description: Description) -> None:
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
