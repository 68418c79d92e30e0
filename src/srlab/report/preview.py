"""A preview of an output: a small picture of its middle, LR beside SR."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from srlab.axes import Window, enlarged
from srlab.files import replaced
from srlab.io import Reader
from srlab.report.pictures import comparison, panels

SIDE = 384
"""The largest side of the preview in SR pixels."""


def write_preview(
    source: Reader, output: Reader, path: Path, *, continued: Sequence[int] | None
) -> None:
    """Write a PNG of the middle of `output` and of the same place in its `source`.

    Of an image with more than two axes, the middle plane is shown. LR is enlarged by repeating
    pixels. `continued` are the indices of the LR channels that SR has as well; None shows all.
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
    images = {"LR": _plane(lr), "SR": _plane(sr)}
    pictures = {name: panels(image, like=images["SR"])[0] for name, image in images.items()}
    with replaced(path, suffix=".png") as unfinished:
        comparison(pictures, unfinished)


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
