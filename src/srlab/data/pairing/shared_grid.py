"""Pairing of LR and HR rasters by their ground, and resampling of HR onto LR's refined grid."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.data.finding.partners import listed
from srlab.io import Reader
from srlab.io.raster.grids import GridPair, georeferenced
from srlab.io.raster.ground import RasterGround
from srlab.io.raster.warped import Method, WarpedReader
from srlab.mistakes import Mistake

log = logging.getLogger(__name__)

Warp = Method | Literal["refuse"]
"""The kernel that resamples HR onto LR's refined grid; ``refuse`` demands that it lies on it."""


class Pair(NamedTuple):
    """An LR and an HR reader of one place."""

    lr: Reader
    hr: Reader


class OfPair:
    """A reader of HR under the name of its pair, for a file that is in several pairs."""

    def __init__(self, hr: Reader, lr: Reader) -> None:
        self._hr = hr
        self._name = f"{hr} with {lr}"
        self.description = hr.description

    def __str__(self) -> str:
        return self._name

    def read(self, window: Window) -> NDArray[np.float32]:
        """Read ``(C, *window)`` in physical units, NaN where the file holds no data."""
        return self._hr.read(window)

    def close(self) -> None:
        """Release the file."""
        self._hr.close()


def by_ground(lr: Sequence[Reader], hr: Sequence[Reader], *, least: Sequence[int]) -> list[Pair]:
    """Return the pairs of files that share ground of at least `least` LR pixels a side.

    Files that share none are listed in a warning.

    Raises a `Mistake` if there is no pair.
    """
    hr_balls = [*map(_ball, hr)]
    pairs = []
    for lr_file in lr:
        lr_centre, lr_radius = _ball(lr_file)
        for hr_file, (hr_centre, hr_radius) in zip(hr, hr_balls, strict=True):
            if np.linalg.norm(lr_centre - hr_centre) > lr_radius + hr_radius:
                continue  # far apart, which is cheaper to tell than the shared ground
            pair = Pair(lr_file, hr_file)
            if _holds(_grids(*pair).shared, least):
                pairs.append(pair)
    if not pairs:
        raise Mistake(
            f"no file of data.lr_root shares ground of {tuple(least)} LR pixels with one of "
            "data.root: choose files of one place, or lower data.crop_size."
        )
    used = {str(reader) for pair in pairs for reader in pair}
    alone = [str(reader) for reader in (*lr, *hr) if str(reader) not in used]
    if alone:
        log.warning("%d files share no ground with another: %s", len(alone), listed(alone))
    return pairs


def on_shared_grid(pair: Pair, scale: Sequence[int], warp: Warp) -> Pair:
    """Return readers of LR and HR on the ground that they share.

    The pixels of LR stay as they are. HR is resampled onto LR's grid, refined by `scale`.

    Raises a `Mistake` if they share no ground, or lack a CRS or an affine transform. With
    ``refuse`` also if HR does not lie on the refined grid already.
    """
    grids = _grids(*pair)
    if grids.shared is None:
        raise Mistake(f"{pair.hr} and {pair.lr} share no ground: remove the pair.")
    ground = grids.source.part(grids.shared)
    wanted = GridPair(grids.target, ground.scaled(scale))
    method = warp
    if method == "refuse":
        _check_aligned(pair, wanted, scale)
        method = "nearest"  # on an aligned grid, a copy
    hr = WarpedReader(pair.hr, wanted.target, resampling=method)
    return Pair(WarpedReader(pair.lr, ground), hr)


def told_apart(pairs: Sequence[Pair]) -> list[Pair]:
    """Name HR by its pair where a file is in several pairs."""
    times = Counter(str(pair.hr) for pair in pairs)
    named = []
    for lr, hr in pairs:
        repeated = times[str(hr)] > 1
        named.append(Pair(lr, OfPair(hr, lr) if repeated else hr))
    return named


def _grids(lr: Reader, hr: Reader) -> GridPair:
    return GridPair(
        georeferenced(lr.description.geometry, str(lr)),
        georeferenced(hr.description.geometry, str(hr)),
    )


def _ball(reader: Reader) -> tuple[NDArray[np.float64], float]:
    """Return centre and radius of a ball around a file's ground.

    Files whose balls do not meet share no ground.
    """
    grid = georeferenced(reader.description.geometry, str(reader))
    return RasterGround(grid).ball((0, 0))


def _holds(ground: Window | None, least: Sequence[int]) -> bool:
    if ground is None:
        return False
    sizes = zip(ground, least, strict=True)
    return all(span.stop - span.start >= side for span, side in sizes)


def _check_aligned(pair: Pair, wanted: GridPair, scale: Sequence[int]) -> None:
    if wanted.offset is not None:
        return
    down, across = wanted.stretch
    (row,), (column,) = wanted.to_source(np.zeros((2, 1)))
    raise Mistake(
        f"{pair.hr} does not lie on the grid of {pair.lr}, refined by {tuple(scale)}: a pixel "
        f"there is {down:.5g} × {across:.5g} of its own, and the first one begins at its row "
        f"{row:.2f} and column {column:.2f}; choose data.warp=cubic, or warp the file."
    )
