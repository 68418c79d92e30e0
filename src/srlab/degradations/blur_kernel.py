"""Blurring with a given kernel, for example a measured one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from srlab.axes import per_axis
from srlab.degradations.filtering import filtered
from srlab.files import existing_file
from srlab.mistakes import Mistake


class BlurKernel:
    """Blurs with a given kernel and samples LR pixels.

    `kernel` is an array ``(*K)`` on the grid of HR, as nested lists or a ``.npy`` file. It is the
    image of a point, so HR is convolved with it. It is divided by its sum before. Its centre is
    that of an LR pixel's area. So each size is even where the factor is even, and odd where that
    is odd. Values are in any unit. The map is linear.

    Raises a `Mistake` if the kernel has another number of axes than the image, values that are not
    finite, or a sum that is not positive.
    """

    linear = True

    def __init__(
        self,
        *,
        scale: int | Sequence[int],
        kernel: str | Sequence[object],
        spatial_dims: int = 2,
    ) -> None:
        self.scale = per_axis(scale, spatial_dims)
        array = _array(kernel)
        if array.ndim != spatial_dims:
            raise Mistake(
                f"kernel has {array.ndim} axes and the images have {spatial_dims}; give one with "
                "as many."
            )
        if not np.isfinite(array).all() or array.sum() <= 0:
            raise Mistake(
                f"kernel has the sum {array.sum():g}; give finite values with a positive sum."
            )
        # A convolution weighs the pixel to the left by the value to the right of the centre.
        self.kernel = torch.from_numpy(np.flip(array / array.sum()).copy())[None]

    def __call__(self, hr: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Degrade HR ``(B, C, *S·scale)`` to LR ``(B, C, *S)``; nothing here is random."""
        return filtered(hr, self.kernel, self.scale)


def _array(kernel: str | Sequence[object]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    try:
        if isinstance(kernel, str):
            return np.asarray(np.load(existing_file(Path(kernel)), allow_pickle=False), np.float64)
        return np.asarray(kernel, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise Mistake(
            f"kernel {str(kernel)[:60]} is no array of numbers; give nested lists of one length, "
            "or a .npy file."
        ) from error
