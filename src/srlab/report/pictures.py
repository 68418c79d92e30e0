"""Images of any modality made displayable, and compared side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from srlab.mistakes import Mistake

View = Literal["middle", "slices", "frames"]


def displayable(
    image: Tensor,
    *,
    like: Tensor,
    channels: Sequence[int] | None = None,
    stretch: Sequence[float] = (1, 99),
    view: View = "middle",
) -> Tensor:
    """Three channels ``(3, H, W)`` in 0–1 of an image ``(C, *S)``, stretched between two percentiles of `like`.

    `channels` are one or three numbers from 1; None takes the first three, or the first. Of a volume, `view` shows
    the ``middle`` slice of its first axis; the middle ``slices`` of its three axes, axial, coronal and sagittal if
    these are D, H, W; or up to four ``frames`` at even distances along its first axis. Limits are those of what is
    shown of `like`, for all channels together. Values that are not finite are black.
    """
    numbers = list(channels or ([1, 2, 3] if len(like) >= 3 else [1]))
    if len(numbers) not in (1, 3) or not all(1 <= number <= len(like) for number in numbers):
        raise Mistake(
            f"cannot show channels {numbers} of {len(like)}; give one or three numbers from 1."
        )
    if len(stretch) != 2 or not 0 <= stretch[0] < stretch[1] <= 100:
        raise Mistake(
            f"cannot stretch between percentiles {list(stretch)}; give two rising ones from 0 to 100."
        )
    indices = [number - 1 for number in numbers]
    limits = torch.tensor(stretch, dtype=torch.float32) / 100
    reference = torch.cat([plane[indices].float().cpu().flatten() for plane in _planes(like, view)])
    low, high = torch.quantile(thinned(reference[reference.isfinite()]), limits).tolist()
    return beside(
        [_stretched(plane[indices].float().cpu(), low, high) for plane in _planes(image, view)]
    )


def _stretched(plane: Tensor, low: float, high: float) -> Tensor:
    shown = (plane - low) / max(high - low, 1e-12)
    return torch.where(plane.isfinite(), shown.clamp(0, 1), 0.0).expand(3, -1, -1)


def _planes(image: Tensor, view: View) -> list[Tensor]:
    """What is shown of an image, each ``(C, H, W)``."""
    if view not in get_args(View):
        raise Mistake(f"cannot show a volume by {view!r}; give one of {', '.join(get_args(View))}.")
    if image.ndim == 3:
        return [image]
    if view == "slices":
        return [image.select(axis, image.shape[axis] // 2) for axis in (1, 2, 3)]
    count = 1 if view == "middle" else min(4, image.shape[1])
    return [image[:, (2 * number + 1) * image.shape[1] // (2 * count)] for number in range(count)]


def beside(pictures: Sequence[Tensor]) -> Tensor:
    """Pictures ``(3, H, W)`` from left to right, the lower ones with black below."""
    height = max(picture.shape[1] for picture in pictures)
    padded = [
        torch.nn.functional.pad(picture, (0, 0, 0, height - picture.shape[1]))
        for picture in pictures
    ]
    return torch.cat(padded, dim=2)


def thinned(values: Tensor, most: int = 1_000_000) -> Tensor:
    """At most about `most` of the values along the last axis, at even distances, or one zero if there are none.

    A quantile needs no more, and torch's takes no more than 16 million.
    """
    count = values.shape[-1]
    return (
        values[..., :: max(count // most, 1)] if count else values.new_zeros(*values.shape[:-1], 1)
    )


def comparison(
    images: dict[str, Tensor],
    path: str | Path,
    *,
    detail: tuple[int, int, int, int] | None = None,
    zoom: int = 5,
) -> None:
    """Write a PNG of captioned pictures ``(3, H, W)`` in 0–1 side by side, and below each a magnified detail.

    `detail` is ``(top, left, height, width)``, by default the busiest square of the last picture. Pixels of the detail
    are repeated, not smoothed.
    """
    pictures = {name: _pil(image) for name, image in images.items()}
    last = list(images.values())[-1]
    top, left, height, width = detail or _busiest(last, side=max(min(last.shape[1:]) // zoom, 8))
    columns = [
        _column(name, picture, (left, top, left + width, top + height))
        for name, picture in pictures.items()
    ]
    sheet = Image.new(
        "RGB", (sum(c.width for c in columns) + 8 * (len(columns) - 1), columns[0].height), "white"
    )
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
