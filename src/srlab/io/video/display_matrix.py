"""The rotation or mirroring that a video asks of its player, by a display matrix."""

from __future__ import annotations

from typing import Any

import numpy as np

from srlab.io.raster.orientation import Orientation
from srlab.mistakes import Mistake


def orientation(frame: Any, path: str) -> Orientation:
    """Return the orientation by which a decoded frame is turned upright.

    The display matrix maps ``(x, y)`` to ``(ax + cy, bx + dy)`` (ISO/IEC 14496-12, 6.2.2). Raises a
    `Mistake` unless this is a rotation by a multiple of 90 degrees, mirrored or not.
    """
    if "DISPLAYMATRIX" not in {entry.type.name for entry in frame.side_data}:
        return Orientation()
    entries = np.frombuffer(frame.side_data["DISPLAYMATRIX"], np.int32)
    a, b, _, c, d = (int(entry) for entry in entries[:5])
    if a and d and not b and not c:
        return Orientation(False, d < 0, a < 0)
    if b and c and not a and not d:
        return Orientation(True, b < 0, c < 0)
    raise Mistake(
        f"{path} is to be shown turned by {frame.rotation} degrees, which is no quarter turn: turn "
        "it upright first."
    )
