"""The motion blur of a video camera, whose shutter stays open for some time."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from srlab.axes import per_axis
from srlab.degradations.filtering import along, box, filtered
from srlab.degradations.ranges import check_range, drawn
from srlab.mistakes import Mistake


class Exposure:
    """Averages the HR frames during which the shutter is open (Nah et al. 2017, eq. 2).

    Images are ``(B, C, T, H, W)``, in any unit. The mean of sharp frames is the blurred frame of a
    camera with a linear response. The shutter opens once for each LR frame, for a time that is
    centred on the frame.

    `shutter` is this time, in HR frames. A frame that it covers in part gets that part of the
    weight. It is one number, or ``[low, high]`` from which each clip draws one. The shutter angle
    in degrees is ``360 · shutter / scale``, for the scale along time. The first and the last frame
    are repeated outwards. The degradation is linear if `shutter` is one number.

    Raises a `Mistake` if the scale of rows or columns is above 1, or if no frame would be blurred.
    """

    def __init__(
        self,
        *,
        shutter: float | Sequence[float],
        scale: int | Sequence[int] = 1,
        spatial_dims: int = 3,
    ) -> None:
        if spatial_dims != 3:
            raise Mistake(
                f"an exposure lasts for several frames, and spatial_dims is {spatial_dims}; set "
                "spatial_dims=3 and scale=[1,2,2], or choose degradation=video_compression."
            )
        self.scale = per_axis(scale, spatial_dims)
        if self.scale[1:] != (1, 1):
            raise Mistake(
                f"the scale of an exposure is {self.scale}; it may be above 1 along time alone. "
                "Shrink rows and columns by another step of a chain."
            )
        self.shutter = check_range("shutter", shutter, least=0)
        low, high = self.shutter
        if low == 0 or (high <= 1 and self.scale == (1, 1, 1)):
            raise Mistake(
                f"shutter is {shutter}; give the HR frames for which it is open, above 1 where "
                "LR has as many frames as HR, or leave the exposure out."
            )
        self.linear = low == high

    def __call__(self, hr: Tensor, *, generator: torch.Generator) -> Tensor:
        """Degrade HR ``(B, C, T·scale, H, W)`` to LR ``(B, C, T, H, W)``."""
        times = drawn(self.shutter, hr, generator).flatten().tolist()
        clips = []
        for clip, time in zip(hr, times, strict=True):
            weights = box(time, self.scale[0])
            kernel = along(weights[None], 0, 3)
            clips.append(filtered(clip[None], kernel, self.scale))
        return torch.cat(clips)
