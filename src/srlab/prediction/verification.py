"""Whether an output is what a model makes of an input, found out on blocks that chance chooses."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.files import PathLike
from srlab.io import Channel, Description, Reader, open_reader
from srlab.io.provenance import read_provenance
from srlab.io.stored import to_stored
from srlab.mistakes import Mistake
from srlab.models.super_resolver import SuperResolver
from srlab.prediction.blocks import block, block_windows
from srlab.prediction.job import Job
from srlab.prediction.opened import Opened
from srlab.prediction.request import Request
from srlab.prediction.session import Session
from srlab.prediction.threads import computing_threads

Pixels = NDArray[np.float32]

LOSSY = (".jpg", ".jpeg", ".mp4", ".mov", ".mkv")
"""The endings of formats that keep values nearly."""

VARIABLES = ".npz"
"""The ending of a format that holds each channel as a variable, to be chosen by its name."""

NEAR = 0.02
"""The root mean square difference that such a format may make, in ranges of its type."""


@dataclass(frozen=True)
class Verdict:
    """What was found in the blocks of an output."""

    blocks: int
    of_blocks: int
    values: int
    differing: int

    largest: float
    """The largest difference in steps, see `_step`."""

    lossy: bool
    """Whether the format keeps values nearly, so that they were compared nearly."""

    elsewhere: tuple[str, ...]
    """Where the machine that made the output differs from this one, such as its device."""

    def __str__(self) -> str:
        """Return what was found in words."""
        text = f"{self.blocks} of {self.of_blocks} blocks computed anew: "
        if self.lossy:
            return f"{text}near enough for a format that keeps values nearly"
        if not self.differing:
            return f"{text}all {self.values} values are equal"
        where = ", ".join(self.elsewhere)
        return (
            f"{text}{self.differing} of {self.values} values differ by {self.largest:.3g} at most, "
            f"as rounding does on another machine ({where})"
        )


def verify(
    models: Sequence[Opened],
    output: PathLike,
    source: PathLike,
    *,
    blocks: int = 8,
    seed: int = 0,
    guide: str | None = None,
    dates: str | None = None,
    device: str = "auto",
) -> Verdict:
    """Check that `output` is what `models` make of the file `source`, by the note in it.

    Model and input must have the hashes that the note names, and the output the size and place that
    the input gives it. A number of `blocks`, which the `seed` draws, are computed anew. On the kind
    of machine that made the output they must be equal; elsewhere they may differ by one rounding.
    `guide` and `dates` say where these files are now.

    Raises a `Mistake` that says what is not as it should be.
    """
    tags = read_provenance(output)
    settings = json.loads(tags.get("SETTINGS", "{}"))
    request = _request(settings, guide=guide, dates=dates, device=device)
    if request.match_histogram:
        raise Mistake(f"{output} was matched to its input as a whole, and has no blocks to verify.")
    session = Session(models, source, output, request, overwrite=True)
    _check_hashes(tags, settings, session.hashes, output)
    expected = session.description
    several = str(output).lower().endswith(VARIABLES)
    reader = open_reader(output, bands=expected.names if several else None)
    _check_place(output, reader.description, expected)
    job = session.job(settings)
    windows = list(block_windows(job.tiles, chunks=(1,) * len(job.tiles.shape)))
    drawn = _drawn(windows, blocks, seed)
    lossy = str(output).lower().endswith(LOSSY) and settings.get("codec") != "ffv1"
    found = Comparison(expected.channels, lossy=lossy)
    _compare(found, reader, job, [each.model for each in models], drawn)
    verdict = Verdict(
        len(drawn),
        len(windows),
        found.values,
        found.differing,
        found.largest,
        lossy,
        _elsewhere(settings),
    )
    _refuse_other(output, verdict, found)
    return verdict


def _drawn(windows: Sequence[Window], count: int, seed: int) -> list[Window]:
    """Draw at most a number of windows, and return them in their order."""
    random = np.random.default_rng(seed)
    numbers = random.choice(len(windows), min(count, len(windows)), replace=False)
    return [windows[number] for number in sorted(numbers.tolist())]


def _compare(
    found: Comparison,
    reader: Reader,
    job: Job,
    models: Sequence[SuperResolver],
    windows: Sequence[Window],
) -> None:
    """Compute windows anew, and add each to what was found in the file."""
    scene, predict = job.opened(models)
    with computing_threads(job.threads):
        for window in windows:
            pixels = block(predict, scene, job.tiles, window, batch_size=job.batch)
            found.add(reader, window, pixels)


class Comparison:
    """Counts the values of an output that are not as computed, for its first `channels`."""

    def __init__(self, channels: Sequence[Channel], *, lossy: bool) -> None:
        self._channels = [channel for channel in channels if channel.colour != "alpha"]
        self._lossy = lossy
        self.values = self.differing = 0
        self.largest = 0.0
        self.farthest = 0.0
        """The largest root mean square difference of a block, in ranges of the type."""

        self.first: Window | None = None
        """The first window in which values differ."""

    def add(self, reader: Reader, window: Window, pixels: Pixels) -> None:
        """Compare what a file holds in a window with what was computed, before it is stored."""
        stored = reader.read(window)
        for number, channel in enumerate(self._channels):
            expected = _as_read(pixels[number], channel)
            got = stored[number]
            empty_in_one = np.isnan(got) != np.isnan(expected)
            apart = np.nan_to_num(np.abs(got - expected), nan=0.0) / _step(channel, expected)
            allowed = 0.25 if channel.dtype.kind in "iu" else 0.0
            wrong = empty_in_one | (apart > allowed)
            self.values += wrong.size
            self.differing += int(wrong.sum())
            self.largest = max(self.largest, float(apart.max()))
            if empty_in_one.any():
                self.largest = np.inf
            if self._lossy:
                span = float(np.iinfo(channel.dtype).max)
                self.farthest = max(self.farthest, float(np.sqrt(np.mean(apart**2))) / span)
            if wrong.any() and self.first is None:
                self.first = window


def _step(channel: Channel, values: Pixels) -> float:
    """Return the difference that counts as one: of an integer its own, of floats 1e-4 of them."""
    if channel.dtype.kind in "iu":
        return abs(channel.scale)
    return 1e-4 * float(np.nan_to_num(np.abs(values)).max()) or 1.0


def _as_read(pixels: Pixels, channel: Channel) -> Pixels:
    """Return computed values ``(*window)`` as a file of this channel gives them back."""
    missing = np.isnan(pixels)
    stored = to_stored(
        np.where(missing, np.float32(0), pixels)[np.newaxis],
        scale=channel.scale,
        offset=channel.offset,
        dtype=channel.dtype,
        nodata=channel.nodata,
    )[0]
    physical = stored.astype(np.float64) * channel.scale + channel.offset
    return np.where(missing, np.nan, physical).astype(np.float32)


def _request(
    settings: Mapping[str, Any], *, guide: str | None, dates: str | None, device: str
) -> Request:
    """Return what was asked for, by the note."""
    names = {each.name for each in fields(Request)}
    noted = {name: value for name, value in settings.items() if name in names}
    here = {"device": device, "guide": guide or noted.get("guide")}
    return Request(**(noted | here | {"dates": dates or noted.get("dates")}))


def _check_hashes(
    tags: Mapping[str, str],
    settings: Mapping[str, Any],
    hashes: Mapping[str, str],
    output: PathLike,
) -> None:
    for name, got in hashes.items():
        wanted = tags["MODEL_SHA256"] if name == "model" else settings.get(f"{name}_sha256")
        if got != wanted:
            raise Mistake(
                f"{output} was made by another {name}: its note says {_short(wanted)}, and "
                f"{name}= has {_short(got)}."
            )


def _short(digest: object) -> str:
    return f"{str(digest)[:16]}…"


def _check_place(output: PathLike, got: Description, wanted: Description) -> None:
    """Raise a `Mistake` if an output has not the size, axes or place that its input gives it."""
    pairs = {
        "size": (got.shape, wanted.shape),
        "axes": (got.axes, wanted.axes),
        "place": (_place(got), _place(wanted)),
    }
    for name, (one, other) in pairs.items():
        if not _near(one, other):
            raise Mistake(
                f"{output} has another {name} than its input gives it: {one}, not {other}."
            )


def _place(described: Description) -> object:
    return None if described.geometry is None else described.geometry.place


def _near(one: Any, other: Any) -> bool:
    """Whether two values are equal, numbers to the precision of a header."""
    if isinstance(one, float | int) and isinstance(other, float | int):
        return bool(np.isclose(one, other, rtol=1e-6, atol=1e-9))
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return bool(np.allclose(one, other, rtol=1e-6, atol=1e-6))
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_near, one, other))
    if is_dataclass(one) and type(one) is type(other):
        return all(
            _near(getattr(one, each.name), getattr(other, each.name)) for each in fields(one)
        )
    return bool(one == other)


def _elsewhere(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what the machine that made an output has otherwise."""
    here = {
        "torch": str(torch.__version__),
        "cpu": torch.backends.cpu.get_cpu_capability(),
    }
    found = [f"{name} {settings.get(name)}" for name in here if settings.get(name) != here[name]]
    if settings.get("device", "cpu") != "cpu":
        found.append(f"device {settings['device']}")
    return tuple(found)


def _refuse_other(output: PathLike, verdict: Verdict, found: Comparison) -> None:
    if verdict.lossy:
        if found.farthest > NEAR:
            raise Mistake(
                f"{output} is not what this model makes of this input: a block is "
                f"{found.farthest:.1%} of the range beside it, and its format may lose {NEAR:.0%}."
            )
        return
    rounding = (
        verdict.elsewhere and verdict.largest <= 1 and verdict.differing < verdict.values / 20
    )
    if verdict.differing and not rounding:
        place = [f"{span.start}:{span.stop}" for span in found.first or ()]
        raise Mistake(
            f"{output} is not what this model makes of this input: {verdict.differing} of "
            f"{verdict.values} values differ, by {verdict.largest:.3g} at most, first in the block "
            f"[{', '.join(place)}]."
        )
