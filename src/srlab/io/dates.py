"""Images of one place from several dates, read as one image with more channels."""

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
"""The tag that lists the files of the dates beside the reference."""


class DatedReader:
    """The bands of a reference date, followed by those of `others`, on the same pixels.

    Band ``B04`` keeps its name for the reference; for the others it is ``B04@1``, ``B04@2`` etc.
    Where any band of a date holds no data, all its bands are those of the reference. The same goes
    for a date that is None. So a network sees no change where nothing is known.

    Name and tags are those of the reference. The tag ``SRLAB_DATES`` lists the files of the others.

    Raises a `Mistake` if the dates differ in their bands or their number of pixels.
    """

    def __init__(self, reference: Reader, others: Sequence[Reader | None]) -> None:
        self._reference, self._others = reference, tuple(others)
        own = reference.description
        channels = list(own.channels)
        for number, other in enumerate(others, start=1):
            if other is not None:
                _check_alike(reference, other)
            for channel in own.channels:
                channels.append(replace(channel, name=f"{channel.name}@{number}"))
        files = ", ".join("missing" if other is None else str(other) for other in others)
        tags = {**own.tags, DATES: files}
        self.description = replace(own, channels=tuple(channels), tags=tags)

    def __str__(self) -> str:
        return str(self._reference)

    def read(self, window: Window) -> NDArray[np.float32]:
        """Read ``(dates · C, *window)`` in physical units.

        A date is NaN where neither it nor the reference holds data.
        """
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
    """Read exactly `dates` dates as one image, the reference among them.

    Surplus dates are dropped, and missing ones repeat the reference. Rasters on other grids are
    resampled onto that of the reference.

    Raises a `Mistake` if bands or sizes differ.
    """
    aligned: list[Reader | None] = [on_grid(other, reference.description) for other in others]
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
