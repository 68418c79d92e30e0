"""The place of a volume's voxels in millimetres, as NIfTI's sform and qform state it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from nibabel.quaternions import quat2mat
from numpy.typing import NDArray

Affine = tuple[tuple[float, float, float, float], ...]
"""The first three rows of the matrix that maps ``(i, j, k, 1)`` to the voxel's centre in mm."""


@dataclass(frozen=True)
class Qform:
    """NIfTI's qform: the place of voxels by a rotation, voxel sizes and an offset.

    The fields are those of the header. A quaternion computed from a matrix would lose digits for
    rotations near 180 degrees.
    """

    code: int
    """What the positions refer to, such as 1 for the scanner (NIfTI-1 standard)."""

    quaternion: tuple[float, float, float]
    """The header's b, c and d; a follows from them, since the length is 1."""

    handedness: float
    """The header's ``qfac``: -1 if the third axis is mirrored, otherwise 1."""

    spacing: tuple[float, float, float]
    """The size of a voxel along i, j and k, in mm."""

    offset: tuple[float, float, float]
    """The position of the first voxel's centre, in mm."""

    @property
    def affine(self) -> NDArray[np.float64]:
        """The matrix ``(3, 4)`` from indices to positions (NIfTI-1 standard, method 2)."""
        b, c, d = self.quaternion
        a = np.sqrt(max(0.0, 1.0 - b * b - c * c - d * d))
        i, j, k = self.spacing
        columns = quat2mat((a, b, c, d)) * [i, j, k * self.handedness]
        return np.column_stack([columns, self.offset])

    def scaled(self, factors: NDArray[np.float64]) -> Qform:
        """Return the form for `factors` times as many voxels along i, j and k."""
        finer = finer_affine(self.affine, factors)
        return replace(
            self,
            spacing=three(np.array(self.spacing) / factors),
            offset=three(finer[:, 3]),
        )


@dataclass(frozen=True)
class VolumeGeometry:
    """The place of a volume by the sform and the qform of its header; either may be missing.

    Indices are ``(i, j, k)``: the last, second last and third last axis of arrays here.
    """

    spacing: tuple[float, float, float]
    """The size of a voxel along i, j and k, in mm."""

    sform: Affine | None = None
    sform_code: int = 0
    """What the positions of the sform refer to; 0 if there is no sform."""

    qform: Qform | None = None

    space_unit: str = "unknown"
    """nibabel's word for the header's unit of space, such as ``mm``."""

    time_unit: str = "unknown"
    """nibabel's word for the header's unit of time, such as ``sec``."""

    @property
    def affine(self) -> NDArray[np.float64] | None:
        """The matrix ``(3, 4)`` from indices to positions: the sform's, or else the qform's."""
        if self.sform is not None:
            return np.array(self.sform)
        return self.qform.affine if self.qform is not None else None

    @property
    def place(self) -> VolumeGeometry:
        """The whole geometry, which every format of volumes keeps."""
        return self

    @property
    def ground(self) -> None:
        """None, since a scanner's coordinates do not tell whether two files show one body."""

    def scaled(self, scale: Sequence[int]) -> VolumeGeometry:
        """Return the same extent with `scale` times as many voxels along each axis.

        The last three entries are for z, y and x. An entry before them is for time, and ignored.
        """
        factors = np.array(scale[:-4:-1], np.float64)  # along i, j and k
        return replace(
            self,
            spacing=three(np.array(self.spacing) / factors),
            sform=self.sform and rows(finer_affine(np.array(self.sform), factors)),
            qform=self.qform and self.qform.scaled(factors),
        )


def finer_affine(affine: NDArray[np.float64], factors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the matrix ``(3, 4)`` for `factors` times as many voxels in the same extent.

    The outer corner of the first voxel stays in place. Its centre moves, since the voxel shrinks.
    """
    columns, offset = affine[:, :3], affine[:, 3]
    first = offset + columns @ (1 / factors - 1) / 2
    return np.column_stack([columns / factors, first])


def rows(affine: NDArray[np.float64]) -> Affine:
    """Return the first three rows of a matrix as plain numbers."""
    return tuple((float(a), float(b), float(c), float(d)) for a, b, c, d in affine[:3])


def three(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return an array of three values as plain numbers."""
    first, second, third = values
    return float(first), float(second), float(third)
