"""Truncation of k-space, the spatial frequencies of an MRI scan."""

from __future__ import annotations

from collections.abc import Sequence
from math import pi, sqrt

import torch
from torch import Tensor

from srlab.axes import per_axis
from srlab.mistakes import Mistake


class KSpace:
    r"""Keeps the low spatial frequencies, like an MRI scan of fewer phase-encoding steps.

    Along an axis of scale :math:`s`, frequencies below the Nyquist frequency of LR,
    :math:`1 / (2 s)` cycles per HR pixel, stay unchanged. Higher frequencies are removed, which
    makes edges ring (Gibbs). An LR pixel lies in the middle of the HR pixels that it replaces.

    The frequencies are those of a discrete cosine transform (Ahmed et al. 1974), which continues
    the image by its mirror image. A Fourier transform would instead treat opposite ends of a crop
    as neighbours.

    Values are in any unit. The degradation is linear.

    Raises a `Mistake` if the scale does not divide the size of the image.
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
                to_frequencies = _waves(size, size * factor)
                to_pixels = _waves(size, size).T
                matrix = to_pixels @ to_frequencies / sqrt(factor)
                hr = (hr.movedim(axis, -1) @ matrix.T.to(hr)).movedim(-1, axis)
        return hr


def _waves(count: int, pixels: int) -> Tensor:
    """Return the `count` slowest cosine waves at the centres of pixels, as orthonormal rows."""
    phases = (torch.arange(pixels, dtype=torch.float64) + 0.5) * (pi / pixels)
    numbers = torch.arange(count, dtype=torch.float64)
    waves = torch.cos(numbers[:, None] * phases)
    waves[0] /= sqrt(2)
    return waves * sqrt(2 / pixels)
