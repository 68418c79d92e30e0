"""Where the voxels of a volume lie in millimetres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from nibabel.quaternions import quat2mat
from numpy.typing import NDArray

Affine = tuple[tuple[float, float, float, float], ...]
"""Three rows, which map the index of a voxel ``(i, j, k, 1)`` to the position of its centre."""


@dataclass(frozen=True)
class Qform:
    """The rigid one of NIfTI's two forms: a rotation, voxel sizes and a position.

    It is kept in the header's own terms. A quaternion that is rebuilt from a matrix loses digits
    near half a turn.
    """

    code: int
    quaternion: tuple[float, float, float]
    """The header's b, c and d; a follows from these."""

    handedness: float
    """``qfac``: -1 where the third axis is mirrored, otherwise 1."""

    spacing: tuple[float, float, float]
    """Along i, j and k."""

    offset: tuple[float, float, float]
    """The position of the first voxel's centre."""

    @property
    def affine(self) -> NDArray[np.float64]:
        """The map ``(3, 4)`` from indices to positions (NIfTI-1 standard, method 2)."""
        b, c, d = self.quaternion
        a = np.sqrt(max(0.0, 1.0 - b * b - c * c - d * d))
        i, j, k = self.spacing
        columns = quat2mat((a, b, c, d)) * [i, j, k * self.handedness]
        return np.column_stack([columns, self.offset])

    def scaled(self, factors: NDArray[np.float64]) -> Qform:
        """Return the form of voxels that are `factors` times as many along i, j and k."""
        finer = finer_affine(self.affine, factors)
        return replace(
            self,
            spacing=three(np.array(self.spacing) / factors),
            offset=three(finer[:, 3]),
        )


@dataclass(frozen=True)
class VolumeGeometry:
    """The forms that a header gives, each with its code; either may be missing.

    Indices count ``(i, j, k)``, which are ``(x, y, z)`` and the last, second last and third last
    axis of arrays here.
    """

    spacing: tuple[float, float, float]
    """Millimetres along i, j and k."""

    sform: Affine | None = None
    sform_code: int = 0
    qform: Qform | None = None

    space_unit: str = "unknown"
    """The header's word for the unit of space, such as ``mm``."""

    time_unit: str = "unknown"

    @property
    def affine(self) -> NDArray[np.float64] | None:
        """The map ``(3, 4)`` from indices to positions: the sform's, otherwise the qform's."""
        if self.sform is not None:
            return np.array(self.sform)
        return self.qform.affine if self.qform is not None else None

    @property
    def place(self) -> VolumeGeometry:
        """All of it."""
        return self

    @property
    def ground(self) -> None:
        """None: a scanner's coordinates do not tell whether two files show the same body."""

    def scaled(self, scale: Sequence[int]) -> VolumeGeometry:
        """Return the same extent with `scale` times as many voxels along each axis.

        The last three entries are for z, y and x. An earlier one is for time, which has no place.
        """
        factors = np.array(scale[:-4:-1], np.float64)
        return replace(
            self,
            spacing=three(np.array(self.spacing) / factors),
            sform=self.sform and rows(finer_affine(np.array(self.sform), factors)),
            qform=self.qform and self.qform.scaled(factors),
        )


def finer_affine(affine: NDArray[np.float64], factors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the map of voxels that fill the same extent and are `factors` times as many.

    Positions are those of centres, so the first one moves: its outer corner stays where it was.
    """
    columns, offset = affine[:, :3], affine[:, 3]
    first = offset + columns @ (1 / factors - 1) / 2
    return np.column_stack([columns / factors, first])


def rows(affine: NDArray[np.float64]) -> Affine:
    """Return a map ``(3, 4)``, or the first rows of a larger one, as plain numbers."""
    return tuple((float(a), float(b), float(c), float(d)) for a, b, c, d in affine[:3])


def three(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return three plain numbers."""
    first, second, third = values
    return float(first), float(second), float(third)
