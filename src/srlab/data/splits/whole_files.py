"""Whole files for validation."""

from __future__ import annotations

from collections.abc import Sequence

from srlab.axes import Window
from srlab.data.regions import Region
from srlab.data.splits.ground import together
from srlab.data.splits.mosaic import Mosaic
from srlab.data.splits.protocol import Parted, assigned
from srlab.data.splits.shares import checked_fraction, chosen_evenly
from srlab.mistakes import Mistake


class WholeFiles:
    """Holds out every k-th of several files, or the end of the only one.

    A share of `fraction` is held out: of N files, so that both parts cover the whole list. Of one
    file it is the end of the longest axis. Files that cover the same ground count as one.
    """

    def __init__(self, *, fraction: float) -> None:
        self.fraction = checked_fraction(fraction)

    def __call__(self, regions: Sequence[Region]) -> Parted:
        """Split regions, each of a whole file."""
        groups = together(regions)
        if len(groups) > 1:
            return assigned(groups, held=chosen_evenly(len(groups), self.fraction))
        mosaic = Mosaic.of(regions)
        if mosaic is None:
            raise Mistake(
                f"all {len(regions)} files cover the same ground, on different grids, such as "
                f"{regions[0].reader}: none can be held out; add files of other ground, or use one."
            )
        end = _end(mosaic.extent, self.fraction)
        return mosaic.parted([end], gap=[0] * len(end), least=0)


def _end(extent: Window, fraction: float) -> Window:
    """Return the last `fraction` of a window along its longest axis."""
    sides = [span.stop - span.start for span in extent]
    longest = max(sides)
    axis = sides.index(longest)
    # At least a pixel for either part, unless there is only one.
    kept = max(min(round(longest * (1 - fraction)), longest - 1), 1)
    end = list(extent)
    end[axis] = slice(extent[axis].start + kept, extent[axis].stop)
    return tuple(end)
