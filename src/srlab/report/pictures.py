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

VolumeView = Literal["middle", "slices", "frames"]


def displayable(
    image: Tensor,
    *,
    like: Tensor,
    channels: Sequence[int] | None = None,
    stretch: Sequence[float] = (1, 99),
    view: VolumeView = "middle",
) -> Tensor:
    """Make a picture ``(3, H, W)`` in 0–1 of an image ``(C, *S)``.

    Values are stretched between two percentiles of `like`, taken over all channels that are shown.
    Those that are not finite are black. `channels` are one or three numbers from 1; None takes the
    first three, or the first.

    `view` says what is shown of a volume. ``middle`` is the middle slice of its first axis, and
    ``slices`` are those of all three axes. ``frames`` are up to four slices of the first axis, at
    even distances.
    """
    numbers = list(channels or ([1, 2, 3] if len(like) >= 3 else [1]))
    if len(numbers) not in (1, 3) or not all(1 <= number <= len(like) for number in numbers):
        raise Mistake(
            f"cannot show channels {numbers} of {len(like)}; give one or three numbers from 1."
        )
    if len(stretch) != 2 or not 0 <= stretch[0] < stretch[1] <= 100:
        raise Mistake(
            f"cannot stretch between percentiles {list(stretch)}; give two rising ones from 0 to "
            "100."
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


def _planes(image: Tensor, view: VolumeView) -> list[Tensor]:
    """Return the planes that are shown of an image, each ``(C, H, W)``."""
    if view not in get_args(VolumeView):
        offered = ", ".join(get_args(VolumeView))
        raise Mistake(f"cannot show a volume by {view!r}; give one of {offered}.")
    if image.ndim == 3:
        return [image]
    if view == "slices":
        return [image.select(axis, image.shape[axis] // 2) for axis in (1, 2, 3)]
    count = 1 if view == "middle" else min(4, image.shape[1])
    return [image[:, (2 * number + 1) * image.shape[1] // (2 * count)] for number in range(count)]


def beside(pictures: Sequence[Tensor]) -> Tensor:
    """Put pictures ``(3, H, W)`` from left to right, with black below the lower ones."""
    height = max(picture.shape[1] for picture in pictures)
    padded = [
        torch.nn.functional.pad(picture, (0, 0, 0, height - picture.shape[1]))
        for picture in pictures
    ]
    return torch.cat(padded, dim=2)


def thinned(values: Tensor, most: int = 1_000_000) -> Tensor:
    """Return at most about `most` of the values along the last axis, at even distances.

    Where there are none, it is one zero. A quantile needs no more values, and torch's takes no more
    than 16 million.
    """
    count = values.shape[-1]
    if count == 0:
        return values.new_zeros(*values.shape[:-1], 1)
    return values[..., :: max(count // most, 1)]


def comparison(
    images: dict[str, Tensor],
    path: str | Path,
    *,
    detail: tuple[int, int, int, int] | None = None,
    zoom: int = 5,
) -> None:
    """Write a PNG of captioned pictures ``(3, H, W)`` in 0–1, each above a magnified detail.

    `detail` is ``(top, left, height, width)``, by default the busiest square of the last picture.
    Its pixels are repeated, not smoothed.
    """
    pictures = {name: _pil(image) for name, image in images.items()}
    last = list(images.values())[-1]
    top, left, height, width = detail or _busiest(last, side=max(min(last.shape[1:]) // zoom, 8))
    box = (left, top, left + width, top + height)
    columns = [_column(name, picture, box) for name, picture in pictures.items()]
    total = sum(column.width for column in columns) + 8 * (len(columns) - 1)
    sheet = Image.new("RGB", (total, columns[0].height), "white")
    offset = 0
    for column in columns:
        sheet.paste(column, (offset, 0))
        offset += column.width + 8
    sheet.save(path)


def _column(name: str, picture: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """Draw a caption, the picture with the detail framed, and the detail magnified."""
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
    """Find the square with the strongest gradients, where a difference in resolution shows."""
    grey = picture.mean(dim=0)
    edges = grey.diff(dim=0)[:, 1:].abs() + grey.diff(dim=1)[1:].abs()
    squares = torch.nn.functional.avg_pool2d(edges[None], side, stride=max(side // 4, 1))[0]
    row, column = np.unravel_index(int(squares.argmax()), squares.shape)
    step = max(side // 4, 1)
    return int(row) * step, int(column) * step, side, side
