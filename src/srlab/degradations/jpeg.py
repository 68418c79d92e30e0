"""The artefacts of JPEG compression."""

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
    """Compresses images as JPEG and decompresses them, without a change of size.

    Images are ``(B, C, H, W)`` with 1 or 3 channels and values of 0 to 255, which are rounded and
    clamped. `quality` is that of libjpeg, a number from 1 to 100, or ``[low, high]`` from which
    each image draws one. Gradients pass through unchanged (straight-through estimator, Bengio et
    al. 2013).

    Raises a `Mistake` for other numbers of channels or axes, or a quality out of range.
    """

    linear = False

    def __init__(self, *, quality: int | Sequence[int], spatial_dims: int = 2) -> None:
        if spatial_dims != 2:
            raise Mistake(f"jpeg is for images of 2 axes, and spatial_dims is {spatial_dims}.")
        self.scale = per_axis(1, spatial_dims)
        self.quality = check_range("quality", quality, least=1, most=100)

    def __call__(self, hr: Tensor, *, generator: torch.Generator) -> Tensor:
        """Compress and decompress images ``(B, 1 or 3, H, W)``."""
        if hr.ndim != 4 or hr.shape[1] not in (1, 3):
            raise Mistake(
                f"jpeg got an array of shape {tuple(hr.shape)}; it takes (batch, 1 or 3, H, W)."
            )
        qualities = drawn(self.quality, hr, generator).flatten().round().int().tolist()
        pixels = hr.detach().round().clamp(0, 255).to("cpu", torch.uint8)
        pairs = zip(pixels, qualities, strict=True)
        decoded = torch.stack([compressed(image, quality) for image, quality in pairs])
        artefacts = decoded.to(hr) - hr.detach()
        return hr + artefacts


def compressed(image: Tensor, quality: int) -> Tensor:
    """Return an image ``(C, H, W)`` of uint8 as it is after compression as JPEG."""
    from PIL import Image

    pixels = image.permute(1, 2, 0).numpy()
    if len(image) == 1:
        pixels = pixels[..., 0]  # Pillow takes grey images without an axis of channels
    file = BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    with Image.open(file) as decoded:
        array = np.array(decoded).reshape(*image.shape[1:], len(image))
    return torch.from_numpy(array).permute(2, 0, 1)
