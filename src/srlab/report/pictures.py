"""Conversion of images of any modality to RGB pictures, and comparison side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from srlab.io import Axis
from srlab.mistakes import Mistake
from srlab.report.planes import VolumeView, planes


def displayable(
    image: Tensor,
    *,
    like: Tensor,
    channels: Sequence[int] | None = None,
    stretch: Sequence[float] = (1, 99),
    view: VolumeView = "middle",
    axes: Sequence[Axis] = (),
) -> Tensor:
    """Return an image ``(C, *S)`` as a picture ``(3, H, W)`` in 0–1: its `panels` side by side.

    The arguments are those of `panels`.
    """
    return beside(
        panels(image, like=like, channels=channels, stretch=stretch, view=view, axes=axes)
    )


def panels(
    image: Tensor,
    *,
    like: Tensor,
    channels: Sequence[int] | None = None,
    stretch: Sequence[float] = (1, 99),
    view: VolumeView = "middle",
    axes: Sequence[Axis] = (),
) -> list[Tensor]:
    """Return a picture ``(3, H, W)`` in 0–1 of each plane of an image ``(C, *S)`` that is shown.

    Values are stretched between two percentiles of `like`, over all channels that are shown. Values
    that are not finite are black. `channels` are one or three numbers from 1; None takes the first
    three, or the first. `view` and `axes` are those of `srlab.report.planes.planes`.

    Raises a `Mistake` for other channels or percentiles.
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
    shown = [plane.pixels[indices].float().cpu() for plane in planes(like, view)]
    reference = torch.cat([pixels.flatten() for pixels in shown])
    low, high = torch.quantile(thinned(reference[reference.isfinite()]), limits).tolist()
    cut = [plane.pixels[indices].float().cpu() for plane in planes(image, view, axes)]
    return [stretched(pixels, low, high) for pixels in cut]


def stretched(plane: Tensor, low: float, high: float) -> Tensor:
    """Return ``(C, H, W)`` as a picture ``(3, H, W)``: black at `low`, white at `high`.

    C is 1 or 3. Values that are not finite are black.
    """
    shown = (plane - low) / max(high - low, 1e-12)
    return torch.where(plane.isfinite(), shown.clamp(0, 1), 0.0).expand(3, -1, -1)


def beside(pictures: Sequence[Tensor]) -> Tensor:
    """Join pictures ``(3, H, W)`` from left to right; lower ones are padded with black."""
    height = max(picture.shape[1] for picture in pictures)
    padded = []
    for picture in pictures:
        missing = height - picture.shape[1]
        padded.append(torch.nn.functional.pad(picture, (0, 0, 0, missing)))
    return torch.cat(padded, dim=2)


def below(pictures: Sequence[Tensor]) -> Tensor:
    """Join pictures ``(3, H, W)`` from top to bottom; narrower ones are padded with black."""
    turned = [picture.transpose(1, 2) for picture in pictures]
    return beside(turned).transpose(1, 2)


def thinned(values: Tensor, most: int = 1_000_000) -> Tensor:
    """Return about `most` of the values along the last axis, evenly spaced; one zero if empty.

    A quantile needs no more values, and that of torch accepts at most 16 million.
    """
    count = values.shape[-1]
    if count == 0:
        return values.new_zeros(*values.shape[:-1], 1)
    return values[..., :: max(count // most, 1)]


def comparison(
    images: dict[str, Tensor],
    path: str | Path,
    *,
    detail: Sequence[int] | None = None,
    zoom: int = 5,
) -> None:
    """Write a PNG of captioned pictures ``(3, H, W)`` in 0–1, each above a magnified detail.

    `detail` is ``(top, left, height, width)``, by default the busiest square of the last picture.
    It is magnified by repeating pixels.
    """
    pictures = {name: _pil(image) for name, image in images.items()}
    last = list(images.values())[-1]
    top, left, height, width = detail or busiest(last, zoom=zoom)
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
    """Draw a caption, the picture with a frame around the detail, and the detail magnified."""
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


def busiest(picture: Tensor, *, zoom: int = 5) -> tuple[int, int, int, int]:
    """Return the square with the strongest gradients, where differences in resolution show most.

    It is ``(top, left, height, width)``, and `zoom` times smaller than the picture.
    """
    shortest = min(picture.shape[1:])
    if shortest == 1:  # it has no gradient
        return 0, 0, *picture.shape[1:]
    side = min(max(shortest // zoom, 8), shortest - 1)
    grey = picture.mean(dim=0)
    edges = grey.diff(dim=0)[:, 1:].abs() + grey.diff(dim=1)[1:].abs()
    squares = torch.nn.functional.avg_pool2d(edges[None], side, stride=max(side // 4, 1))[0]
    row, column = np.unravel_index(int(squares.argmax()), squares.shape)
    step = max(side // 4, 1)
    return int(row) * step, int(column) * step, side, side
