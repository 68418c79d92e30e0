"""A preview of an output: a small picture of its middle, LR beside SR."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from srlab.axes import Window, enlarged
from srlab.files import replaced
from srlab.io import Reader
from srlab.report.pictures import comparison, stretched, thinned

SIDE = 384
"""The largest side of the preview in SR pixels."""

DARK, BRIGHT = 0.01, 0.99
"""The quantiles of SR that are shown as black and as white.

Where small things stand out from an even background, nearly all pixels are background, and the
things themselves would be cut. So each quantile is one of the pixels that differ from the other end
of the values by more than `ALIKE`. In most pictures these are nearly all pixels.
"""

FARTHEST, ALIKE = 0.001, 0.1
"""The quantile on either side where the values end, and the share of their range that is alike."""


def write_preview(
    source: Reader, output: Reader, path: Path, *, continued: Sequence[int] | None
) -> None:
    """Write a PNG of the middle of `output` and of the same place in its `source`.

    Of an image with more than two axes, the middle plane is shown. LR is enlarged by repeating
    pixels, and has the same black and white as SR. `continued` are the indices of the LR channels
    that SR has as well; None shows all.
    """
    lr_shape, sr_shape = source.description.shape, output.description.shape
    scale = [finer // coarser for finer, coarser in zip(sr_shape, lr_shape, strict=True)]
    window = _middle(lr_shape, scale)
    lr = torch.from_numpy(source.read(window))
    if continued is not None:
        lr = lr[list(continued)]
    for axis, factor in enumerate(scale, start=1):
        lr = lr.repeat_interleave(factor, dim=axis)
    sr = torch.from_numpy(output.read(enlarged(window, scale)))
    shown = 3 if len(sr) >= 3 else 1
    images = {"LR": _plane(lr)[:shown], "SR": _plane(sr)[:shown]}
    low, high = _limits(images["SR"])
    pictures = {name: stretched(image, low, high) for name, image in images.items()}
    with replaced(path, suffix=".png") as unfinished:
        comparison(pictures, unfinished)


def _limits(picture: Tensor) -> tuple[float, float]:
    """Return the values that are shown as black and as white."""
    values = thinned(picture[picture.isfinite()].flatten())
    least, most = torch.quantile(values, torch.tensor([FARTHEST, 1 - FARTHEST])).tolist()
    alike = ALIKE * (most - least)
    low = torch.quantile(values[values <= most - alike], DARK)
    high = torch.quantile(values[values >= least + alike], BRIGHT)
    return low.item(), high.item()


def _middle(shape: Sequence[int], scale: Sequence[int]) -> Window:
    """Return the middle window of a scene in LR pixels; one pixel before the last two axes."""
    spans = []
    for number, (size, factor) in enumerate(zip(shape, scale, strict=True)):
        most = max(SIDE // factor, 1) if number >= len(shape) - 2 else 1
        start = max((size - most) // 2, 0)
        spans.append(slice(start, min(start + most, size)))
    return tuple(spans)


def _plane(image: Tensor) -> Tensor:
    """Return the middle plane ``(C, H, W)`` of an image ``(C, *S)``."""
    while image.ndim > 3:
        image = image[:, image.shape[1] // 2]
    return image
