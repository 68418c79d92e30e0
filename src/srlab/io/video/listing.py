"""The list of the frames in a folder and their durations, in FFmpeg's format ``ffconcat``."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

from srlab.io.formats import find_format
from srlab.mistakes import MissingFile, Mistake

LISTING = "frames.ffconcat"
"""The name of the list in a folder of frames (FFmpeg's concat demuxer, version 1.0)."""

HEADER = "ffconcat version 1.0"
TICK = Fraction(1, 1_000_000)
"""The unit of durations in seconds, which is FFmpeg's."""

USUAL_RATE = 25
"""Frames per second if the folder has no list."""

ASPECT = "PIXEL_ASPECT: "
"""The beginning of the comment on pixels that are not square; FFmpeg's format has no word for it.

The width of a pixel over its height follows, such as 4/3.
"""

MOST_ASPECT = 1000
"""The most that a pixel may be wider than high, or higher than wide."""


@dataclass(frozen=True)
class Listing:
    """The frames of a folder in the order of display."""

    names: tuple[str, ...]

    durations: tuple[int, ...]
    """How long each frame is shown, in units of `TICK`."""

    stated: bool
    """Whether the folder has a list; otherwise order and durations are assumed."""

    pixel_aspect: Fraction = Fraction(1)
    """The width of a pixel over its height."""

    @property
    def times(self) -> tuple[int, ...]:
        """The time at which each frame is shown, from 0, and at last the end of the video."""
        return tuple(accumulate(self.durations, initial=0))


def read_listing(folder: Path) -> Listing:
    """Read the list in a folder, or list its pictures in natural order at `USUAL_RATE`.

    In natural order, 9.png comes before 10.png. Raises a `Mistake` if there is no picture, or if
    the list is damaged or names files that are not in the folder.
    """
    file = folder / LISTING
    if file.is_file():
        return _parsed(file)
    files = [file for file in folder.iterdir() if file.is_file() and file.name[0] != "."]
    names = [file.name for file in files if find_format(file.name, "reader")]
    if not names:
        raise Mistake(f"{folder} holds no frames: give a folder of pictures, such as .png.")
    names.sort(key=_natural)
    duration = int(1 / (USUAL_RATE * TICK))
    return Listing(tuple(names), (duration,) * len(names), stated=False)


def written_listing(listing: Listing, comments: Sequence[str]) -> str:
    """Return the text of a list, with comments before the frames."""
    lines = [HEADER, *(f"# {comment}" for comment in comments)]
    if listing.pixel_aspect != 1:
        lines.append(f"# {ASPECT}{listing.pixel_aspect}")
    for name, duration in zip(listing.names, listing.durations, strict=True):
        seconds, microseconds = divmod(duration, 10**6)
        lines += [f"file '{name}'", f"duration {seconds}.{microseconds:06}"]
    return "\n".join([*lines, ""])


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a key for sorting by which numbers in names are compared as numbers."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _parsed(file: Path) -> Listing:
    names: list[str] = []
    durations: list[int] = []
    aspect = Fraction(1)
    text = file.read_text(encoding="utf-8", errors="replace")
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            if line.startswith(f"# {ASPECT}"):
                aspect = _aspect(line.removeprefix(f"# {ASPECT}"))
            word, *values = shlex.split(line, comments=True) or [""]
            if word == "file":
                (name,) = values
                names.append(name)
            elif word == "duration":
                (seconds,) = values
                durations.append(round(float(seconds) / float(TICK)))
        except (ArithmeticError, ValueError) as error:
            raise Mistake(f"{file} cannot be understood in line {number}, {line!r}.") from error
    if not names or len(names) != len(durations) or min(durations) < 1:
        raise Mistake(
            f"{file} lists {len(names)} files and {len(durations)} durations; after each file its "
            "duration is wanted, in seconds above 0. Mend the list, or remove it."
        )
    for name in names:
        if Path(name).name != name or not (file.parent / name).is_file():
            raise MissingFile(f"{file} names {name}, which is no file of the folder.")
    return Listing(tuple(names), tuple(durations), stated=True, pixel_aspect=aspect)


def _aspect(text: str) -> Fraction:
    """Return the aspect ratio of a text; raises a ValueError or ArithmeticError for any other."""
    width, _, height = text.partition("/")
    aspect = Fraction(int(width), int(height or 1))
    if not 1 / MOST_ASPECT <= aspect <= MOST_ASPECT:
        raise ValueError(f"{text} is no shape of pixels")
    return aspect
