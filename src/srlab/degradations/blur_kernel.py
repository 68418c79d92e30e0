"""Blurring with a given kernel, such as a measured point spread function."""

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
    """Convolves HR with a given kernel, and samples the result at the centres of LR pixels.

    `kernel` is an array ``(*K)`` on the grid of HR, as nested lists or the path of a ``.npy`` file.
    It is the image of a point, and is divided by its sum first. Its centre lies on the centre of an
    LR pixel. So along each axis, its size is even if the scale is even, and odd if the scale is
    odd. Values are in any unit. The degradation is linear.

    Raises a `Mistake` if the kernel has other axes than the images, a value that is not finite, or
    a sum that is not positive.
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
        # `filtered` correlates, and a convolution is a correlation with the flipped kernel.
        flipped = np.flip(array / array.sum()).copy()
        self.kernel = torch.from_numpy(flipped)[None]

    def __call__(self, hr: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Degrade HR ``(B, C, *S·scale)`` to LR ``(B, C, *S)``; nothing here is random."""
        return filtered(hr, self.kernel, self.scale)


def _array(kernel: str | Sequence[object]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return the kernel as an array, read from a file if it is a path."""
    try:
        if isinstance(kernel, str):
            path = existing_file(Path(kernel))
            return np.asarray(np.load(path, allow_pickle=False), dtype=np.float64)
        return np.asarray(kernel, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise Mistake(
            f"kernel {str(kernel)[:60]} is no array of numbers; give nested lists of one length, "
            "or a .npy file."
        ) from error
