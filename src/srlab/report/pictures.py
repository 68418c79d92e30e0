"""Images of any modality made displayable, and compared side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor


def displayable(image: Tensor, *, like: Tensor, channels: Sequence[int] | None = None) -> Tensor:
    """Three channels ``(3, H, W)`` in 0–1 of an image ``(C, *S)``, stretched to the 1st–99th percentile of `like`.

    `channels` are one or three numbers from 1; None takes the first three, or the first. Of a volume, the middle
    slice of its first axis is shown.
    """
    numbers = list(channels or ([1, 2, 3] if len(like) >= 3 else [1]))
    if len(numbers) not in (1, 3) or not all(1 <= number <= len(like) for number in numbers):
        raise ValueError(f"cannot show channels {numbers} of {len(like)}; give one or three numbers from 1.")
    picture, reference = (_plane(array)[[number - 1 for number in numbers]].float().cpu() for array in (image, like))
    limits = torch.tensor([0.01, 0.99])
    low, high = torch.quantile(_thinned(reference), limits).tolist()
    stretched: Tensor = (picture - low) / max(high - low, 1e-12)
    return stretched.clamp(0, 1).nan_to_num().expand(3, -1, -1)


def _plane(image: Tensor) -> Tensor:
    return image[:, image.shape[1] // 2] if image.ndim == 4 else image


def _thinned(values: Tensor, most: int = 1_000_000) -> Tensor:
    """At most `most` of the finite values: a quantile needs no more, and torch takes no more than 16 million."""
    finite = values[values.isfinite()]
    return finite[:: max(len(finite) // most, 1)] if len(finite) else torch.zeros(1)


def comparison(
    images: dict[str, Tensor], path: str | Path, *, detail: tuple[int, int, int, int] | None = None, zoom: int = 5
) -> None:
    """Write a PNG of captioned pictures ``(3, H, W)`` in 0–1 side by side, and below each a magnified detail.

    `detail` is ``(top, left, height, width)``, by default the busiest square of the last picture. Pixels of the detail
    are repeated, not smoothed.
    """
    pictures = {name: _pil(image) for name, image in images.items()}
    last = list(images.values())[-1]
    top, left, height, width = detail or _busiest(last, side=max(min(last.shape[1:]) // zoom, 8))
    columns = [_column(name, picture, (left, top, left + width, top + height)) for name, picture in pictures.items()]
    sheet = Image.new("RGB", (sum(c.width for c in columns) + 8 * (len(columns) - 1), columns[0].height), "white")
    offset = 0
    for column in columns:
        sheet.paste(column, (offset, 0))
        offset += column.width + 8
    sheet.save(path)


def _column(name: str, picture: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """A caption, the picture with the detail framed, and the detail magnified to the picture's width."""
    caption, gap = 28, 8
    height = round(picture.width * (box[3] - box[1]) / (box[2] - box[0]))
    detail = picture.crop(box).resize((picture.width, height), Image.Resampling.NEAREST)
    framed = picture.copy()
    ImageDraw.Draw(framed).rectangle(box, outline="red", width=2)
    column = Image.new("RGB", (picture.width, caption + picture.height + gap + height), "white")
    ImageDraw.Draw(column).text((2, 2), name, fill="black", font=ImageFont.load_default(size=18))
    column.paste(framed, (0, caption))
    column.paste(detail, (0, caption + picture.height + gap))
    return column


def _pil(image: Tensor) -> Image.Image:
    return Image.fromarray((image.movedim(0, -1) * 255).round().to(torch.uint8).numpy())


def _busiest(picture: Tensor, *, side: int) -> tuple[int, int, int, int]:
    """The square with the strongest gradients, where a difference in resolution shows."""
    grey = picture.mean(dim=0)
    edges = grey.diff(dim=0)[:, 1:].abs() + grey.diff(dim=1)[1:].abs()
    squares = torch.nn.functional.avg_pool2d(edges[None], side, stride=max(side // 4, 1))[0]
    row, column = np.unravel_index(int(squares.argmax()), squares.shape)
    step = max(side // 4, 1)
    return int(row) * step, int(column) * step, side, side
