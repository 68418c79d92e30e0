"""Truncation of k-space, as in an MRI scan of lower resolution."""

from __future__ import annotations

from collections.abc import Sequence
from math import pi, sqrt

import torch
from torch import Tensor

from srlab.axes import per_axis
from srlab.mistakes import Mistake


class KSpace:
    r"""Keeps the lowest spatial frequencies: a scan of fewer phase-encoding steps.

    Along an axis of scale :math:`s`, frequencies below the LR Nyquist frequency
    :math:`1 / (2 s)` stay as they are. Higher ones are removed, which rings at edges (Gibbs). The
    frequencies are those of a discrete cosine transform (Ahmed et al. 1974), that is, of the image
    followed by its mirror image. In a plain Fourier transform, the opposite ends of a crop would
    be neighbours. LR pixels lie in the middle of the HR pixels that they replace.

    Values are in any unit. The map is linear.
    """

    linear = True

    def __init__(self, *, scale: int | Sequence[int], spatial_dims: int = 2) -> None:
        self.scale = per_axis(scale, spatial_dims)

    def __call__(self, hr: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Degrade HR ``(B, C, *S·scale)`` to LR ``(B, C, *S)``; nothing here is random."""
        for axis, factor in enumerate(self.scale, start=2):
            size, rest = divmod(hr.shape[axis], factor)
            if rest:
                raise Mistake(
                    f"an image of size {tuple(hr.shape[2:])} cannot be shrunk by {self.scale}: "
                    "crop it to multiples first."
                )
            if factor > 1:
                matrix = _waves(size, size).T @ _waves(size, size * factor) / sqrt(factor)
                hr = (hr.movedim(axis, -1) @ matrix.T.to(hr)).movedim(-1, axis)
        return hr


def _waves(count: int, pixels: int) -> Tensor:
    """Return the `count` slowest cosines at the centres of pixels, as orthonormal rows."""
    phases = (torch.arange(pixels, dtype=torch.float64) + 0.5) * (pi / pixels)
    waves = torch.cos(torch.arange(count, dtype=torch.float64)[:, None] * phases)
    waves[0] /= sqrt(2)
    return waves * sqrt(2 / pixels)
