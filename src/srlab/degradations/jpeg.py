"""The artefacts of JPEG."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import numpy as np
import torch
from torch import Tensor

from srlab.axes import per_axis
from srlab.degradations.ranges import check_range, drawn
from srlab.mistakes import Mistake


class Jpeg:
    """Encodes and decodes images as JPEG with libjpeg's quality; the size stays.

    Images are ``(B, 1 or 3, H, W)`` with values of 0 to 255, which are rounded and clamped.
    `quality` is a number from 1 to 100, or ``[low, high]`` from which each image draws one.
    Gradients pass as if nothing were done (Bengio et al. 2013, straight-through estimator).

    Raises a `Mistake` for other numbers of channels or axes.
    """

    linear = False

    def __init__(self, *, quality: int | Sequence[int], spatial_dims: int = 2) -> None:
        if spatial_dims != 2:
            raise Mistake(f"jpeg is for images of 2 axes, and spatial_dims is {spatial_dims}.")
        self.scale = per_axis(1, spatial_dims)
        self.quality = check_range("quality", quality, least=1, most=100)

    def __call__(self, hr: Tensor, *, generator: torch.Generator) -> Tensor:
        """Compress ``(B, 1 or 3, H, W)``."""
        if hr.ndim != 4 or hr.shape[1] not in (1, 3):
            raise Mistake(
                f"jpeg got an array of shape {tuple(hr.shape)}; it takes (batch, 1 or 3, H, W)."
            )
        qualities = drawn(self.quality, hr, generator).flatten().round().int().tolist()
        pixels = hr.detach().round().clamp(0, 255).to("cpu", torch.uint8)
        decoded = torch.stack([*map(compressed, pixels, qualities)])
        return hr + (decoded.to(hr) - hr.detach())


def compressed(image: Tensor, quality: int) -> Tensor:
    """Return ``(C, H, W)`` of uint8 after a round trip through JPEG."""
    from PIL import Image

    pixels = image.permute(1, 2, 0).numpy()
    if len(image) == 1:
        pixels = pixels[..., 0]  # as Pillow wants grey images
    file = BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    with Image.open(file) as decoded:
        array = np.array(decoded).reshape(*image.shape[1:], len(image))
    return torch.from_numpy(array).permute(2, 0, 1)
