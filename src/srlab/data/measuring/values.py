"""The range and unit of a source's values: taken from its files, and checked against them."""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Sequence
from typing import Literal, TypeVar

import torch

from srlab.data.places.regions import evenly
from srlab.data.sources.source import OfFiles, Source
from srlab.degradations import Degradation
from srlab.io import Channel, Reader
from srlab.io.agreement import LARGEST_RATIO, Check, Norm, reached
from srlab.io.array.memory import ArrayReader
from srlab.mistakes import Mistake

log = logging.getLogger(__name__)

ADVICE = (
    "set data.data_range and data.unit, and normaliser and degradation as well, to the files' unit"
)

IMAGES = 4
"""The number of files or images that are inspected where all would take too long."""

LEVELS = 9
"""The number of flat images on which a degradation is tested."""

TOLERANCE = 0.2
"""The largest mean change of flat images by a degradation, as a share of the values' range."""

File = TypeVar("File")

FullScale = float | Literal["measured"] | None
"""The span of values that counts as the full scale; see `full_scale`."""


def full_scale(readers: Sequence[Reader], wanted: FullScale) -> tuple[float, str]:
    """Return the span of values that counts as full scale, and its unit (empty if unknown).

    A number stays as it is. None stands for the range of the files' type (`values_of`).
    ``measured`` stands for the largest 99.9th percentile of a few files. It suits arbitrary units
    such as MRI signal, since PSNR and SSIM then do not depend on the unit.

    Raises a `Mistake` if a number is not above 0, or the files are empty.
    """
    if wanted is None:
        return values_of(readers[0])
    if wanted != "measured":
        if not wanted > 0:
            raise Mistake(f"data_range is {wanted}; give the span of values, above 0, or null.")
        return wanted, ""
    few = a_few(readers)
    largest = max(max(reached(reader)) for reader in few)
    if not largest > 0:
        raise Mistake(
            f"{few[0]} holds no value above 0 to measure data.data_range by; set it to a number."
        )
    return largest, ""


def a_few(files: Sequence[File]) -> Sequence[File]:
    """Return at most `IMAGES` files, spread evenly over the list."""
    return [files[at] for at in evenly(len(files), min(len(files), IMAGES))]


def values_of(reader: Reader) -> tuple[float, str]:
    """Return the full scale of a file's values, and the name of their unit.

    For integers it is the largest value of their type, such as 255 or 65535. For floats up to 1 it
    is 1.

    Raises a `Mistake` for larger floats, whose full scale the user must give.
    """
    channels = reader.description.channels
    highest = max(channel.highest or 0.0 for channel in channels)
    if highest and all(channel.highest for channel in channels):
        return highest, _unit(channels)
    top = max(reached(reader))
    if not top <= 1:
        raise Mistake(
            f"{reader} holds floats up to {top:.4g}, whose full scale its type does not tell; set "
            "data.data_range to it, such as data.data_range=255, and data.unit."
        )
    return 1.0, "0–1"


def _unit(channels: Sequence[Channel]) -> str:
    if any(channel.scale != 1 or channel.offset != 0 for channel in channels):
        return "value"
    bits = 8 * max(channel.dtype.itemsize for channel in channels)
    return f"{bits}-bit value"


def configured(source: Source, force: Collection[Check] = ()) -> Norm:
    """Return the range and unit that a source is configured for, as a norm to check files by."""
    return Norm(
        whose="the configuration speaks of",
        highest=(source.data_range,) * len(source.channel_names),
        unit=source.unit,
        advice={"dtype": ADVICE, "value_range": ADVICE},
        force=force,
    )


def files_of(source: Source) -> Sequence[Reader]:
    """Return the files that evaluation scores; of a source without files, a few test images."""
    if isinstance(source, OfFiles):
        return source.readers
    return [_reader(source, place) for place in a_few(range(len(source.test)))]


def _reader(source: Source, place: int) -> ArrayReader:
    sample = source.test[place]
    image = sample["hr"]
    if "valid" in sample:
        image = image.masked_fill(~sample["valid"], math.nan)
    name = f"test image {place}"
    return ArrayReader(image.numpy(), names=source.channel_names, name=name)


def check_values(
    source: Source,
    ranges: Sequence[tuple[float, float]],
    degradation: Degradation,
    *,
    force: Collection[Check] = (),
) -> None:
    """Raise a `Mistake` if the training values do not fit the configured range or degradation.

    `ranges` are the lowest and highest values of each LR channel. A degradation that rounds to
    8 bits, for example, fits neither 16-bit values nor floats of 0 to 1.
    """
    if "value_range" not in force:
        _check_degradation(source, degradation)
    highest = tuple(max(map(abs, limits)) for limits in ranges)
    configured(source, force).check_values("the training files", source.channel_names, highest)
    if max(highest) * LARGEST_RATIO < source.data_range:
        log.warning(
            "the training files reach %.5g, far below data.data_range=%.5g, so PSNR and SSIM look "
            "better than they are: give one that fits, such as data.data_range=%.5g",
            max(highest),
            source.data_range,
            max(highest),
        )


def _check_degradation(source: Source, degradation: Degradation) -> None:
    """Raise a `Mistake` if a degradation changes the level of flat images by too much."""
    images = torch.stack([source.training[position]["hr"] for position in range(IMAGES)])
    low, high = images.amin(), images.amax()
    fractions = torch.linspace(0, 1, LEVELS + 2)[1:-1]
    levels = low + fractions * (high - low)
    flat = torch.ones_like(images[:1]) * levels.view(-1, *[1] * (images.ndim - 1))
    lr = degradation(flat, generator=torch.Generator().manual_seed(0))
    change = float((lr.flatten(1).mean(dim=1) - levels).abs().mean())
    if change > TOLERANCE * float(high - low):
        raise Mistake(
            f"the degradation changes flat images of {float(low):.4g} to {float(high):.4g} by "
            f"{change:.4g} on average: it is for values of another unit. Set degradation.integers "
            "to the files' range, or choose degradation=bicubic, or force=[value_range] if you "
            "know better."
        )
