"""Several dates of one place, read as one image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.io.protocols import Reader
from srlab.io.raster.matching import on_grid
from srlab.mistakes import Mistake

DATES = "SRLAB_DATES"
"""The tag that records the files of further dates."""


class DatedReader:
    """The bands of a reference date, and after them those of further dates, on the same pixels.

    A band ``B04`` of the reference is called so, and ``B04@1``, ``B04@2`` and so on of the others.
    Where a date holds no data in a band, or is None, its pixel is that of the reference: the date
    adds nothing there, and a network sees no change. Name and tags are the reference's, and the tag
    ``SRLAB_DATES`` records the files of the others.

    Raises a `Mistake` if the dates have not the same bands or pixels.
    """

    def __init__(self, reference: Reader, others: Sequence[Reader | None]) -> None:
        self._reference, self._others = reference, tuple(others)
        own = reference.description
        channels = list(own.channels)
        for number, other in enumerate(others, start=1):
            if other is not None:
                _check_alike(reference, other)
            channels += [replace(each, name=f"{each.name}@{number}") for each in own.channels]
        files = ", ".join("missing" if other is None else str(other) for other in others)
        tags = {**own.tags, DATES: files}
        self.description = replace(own, channels=tuple(channels), tags=tags)

    def __str__(self) -> str:
        return str(self._reference)

    def read(self, window: Window) -> NDArray[np.float32]:
        """Read ``(dates · C, *window)`` in physical units, NaN where no date holds data."""
        reference = self._reference.read(window)
        dates = [reference]
        for other in self._others:
            values = reference
            if other is not None:
                values = other.read(window)
                missing = ~np.isfinite(values).all(axis=0)
                values = np.where(missing, reference, values)
            dates.append(values)
        return np.concatenate(dates)

    def close(self) -> None:
        """Release the files."""
        self._reference.close()
        for other in self._others:
            if other is not None:
                other.close()


def dated(reference: Reader, others: Sequence[Reader], *, dates: int) -> DatedReader:
    """Read a number of `dates` as one image; those that are missing show the reference.

    Rasters whose pixels lie beside the reference's are resampled onto them.

    Raises a `Mistake` if bands or sizes differ.
    """
    aligned: list[Reader | None] = [on_grid(each, reference.description) for each in others]
    missing = dates - 1 - len(aligned)
    return DatedReader(reference, [*aligned[: dates - 1], *[None] * missing])


def _check_alike(reference: Reader, other: Reader) -> None:
    own, theirs = reference.description, other.description
    if own.shape != theirs.shape:
        raise Mistake(
            f"{other} has {theirs.shape} pixels and {reference} has {own.shape}, and one does not "
            "say where it lies: crop the dates of a place to the same pixels."
        )
    if own.names != theirs.names:
        raise Mistake(
            f"{other} has the bands {', '.join(theirs.names)} and {reference} "
            f"{', '.join(own.names)}: choose bands that all dates of a place have."
        )
