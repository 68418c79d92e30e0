"""WholeFiles: a split that holds out whole files, or the end of a single one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from srlab.axes import Window
from srlab.data.places.regions import Region
from srlab.data.splits.ground import together
from srlab.data.splits.mosaic import Mosaic
from srlab.data.splits.protocol import Parted, assigned
from srlab.data.splits.shares import checked_fraction, chosen_evenly
from srlab.mistakes import Mistake

End = Literal["longest_axis", "time"]
"""The axis of a single file whose end is held out."""


class WholeFiles:
    """Holds out every k-th of several files, or the end of a single file.

    A share of `fraction` is held out. Held-out files are spread over the whole list. Of a single
    file, the end of its longest axis or of time is held out. Files that cover the same ground count
    as one.

    Raises a `Mistake` if `fraction` is not between 0 and 1, or `end` is unknown.
    """

    def __init__(self, *, fraction: float, end: End = "longest_axis") -> None:
        self.fraction = checked_fraction(fraction)
        if end not in get_args(End):
            raise Mistake(f"end is {end!r}; choose one of {', '.join(get_args(End))}.")
        self.end = end

    def __call__(self, regions: Sequence[Region]) -> Parted:
        """Split regions, each of a whole file.

        Raises a `Mistake` if all files cover the same ground on different grids.
        """
        groups = together(regions)
        if len(groups) > 1:
            return assigned(groups, held=chosen_evenly(len(groups), self.fraction))
        mosaic = Mosaic.of(regions)
        if mosaic is None:
            raise Mistake(
                f"all {len(regions)} files cover the same ground, on different grids, such as "
                f"{regions[0].reader}: none can be held out; add files of other ground, or use one."
            )
        end = _end(mosaic.extent, self._axis(mosaic.extent, regions[0]), self.fraction)
        return mosaic.parted([end], gap=[0] * len(end), least=0)

    def _axis(self, extent: Window, file: Region) -> int:
        """Return the axis whose end is held out."""
        if self.end == "longest_axis":
            sides = [span.stop - span.start for span in extent]
            return sides.index(max(sides))
        names = [axis.name for axis in file.reader.description.axes]
        if "t" not in names:
            raise Mistake(
                f"split.end is time, and {file.reader} has the axes {', '.join(names)}: set "
                "split.end=longest_axis, or choose another split."
            )
        return names.index("t")


def _end(extent: Window, axis: int, fraction: float) -> Window:
    """Return the last `fraction` of a window along an axis."""
    whole = extent[axis].stop - extent[axis].start
    # Each part gets at least one pixel, unless there is only one.
    kept = max(min(round(whole * (1 - fraction)), whole - 1), 1)
    end = list(extent)
    end[axis] = slice(extent[axis].start + kept, extent[axis].stop)
    return tuple(end)
