"""The list of a folder's frames and of how long each is shown, as FFmpeg reads and writes it."""

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
"""The file in a folder of frames that lists them (FFmpeg's concat demuxer, version 1.0)."""

HEADER = "ffconcat version 1.0"
TICK = Fraction(1, 1_000_000)
"""Seconds; FFmpeg's unit of time."""

USUAL_RATE = 25
"""Frames a second where nothing says how many."""


@dataclass(frozen=True)
class Listing:
    """The frames of a folder in the order in which they are shown."""

    names: tuple[str, ...]

    durations: tuple[int, ...]
    """Of each frame, in units of `TICK`."""

    stated: bool
    """Whether the folder says so itself."""

    @property
    def times(self) -> tuple[int, ...]:
        """When each frame is shown, from 0 on, and when the last one ends."""
        return tuple(accumulate(self.durations, initial=0))


def read_listing(folder: Path) -> Listing:
    """Return the list of a folder, or its pictures in natural order, `USUAL_RATE` a second.

    In natural order 9.png comes before 10.png. Raises a `Mistake` if there is no picture, or the
    list names other files or no time.
    """
    file = folder / LISTING
    if file.is_file():
        return _parsed(file)
    files = [each for each in folder.iterdir() if each.is_file() and each.name[0] != "."]
    names = [each.name for each in files if find_format(each.name, "reader")]
    if not names:
        raise Mistake(f"{folder} holds no frames: give a folder of pictures, such as .png.")
    names.sort(key=_natural)
    duration = int(1 / (USUAL_RATE * TICK))
    return Listing(tuple(names), (duration,) * len(names), stated=False)


def written_listing(listing: Listing, comments: Sequence[str]) -> str:
    """Return the text of a list, which begins with comments."""
    lines = [HEADER, *(f"# {comment}" for comment in comments)]
    for name, duration in zip(listing.names, listing.durations, strict=True):
        lines += [f"file '{name}'", f"duration {duration // 10**6}.{duration % 10**6:06}"]
    return "\n".join([*lines, ""])


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a key by which numbers in names count as such; words come before numbers."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _parsed(file: Path) -> Listing:
    names: list[str] = []
    durations: list[int] = []
    text = file.read_text(encoding="utf-8", errors="replace")
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            word, *values = shlex.split(line, comments=True) or [""]
            if word == "file":
                (name,) = values
                names.append(name)
            elif word == "duration":
                (seconds,) = values
                durations.append(round(float(seconds) / float(TICK)))
        except (ValueError, OverflowError) as error:
            raise Mistake(f"{file} cannot be understood in line {number}, {line!r}.") from error
    if not names or len(names) != len(durations) or min(durations) < 1:
        raise Mistake(
            f"{file} lists {len(names)} files and {len(durations)} durations; after each file its "
            "duration is wanted, in seconds above 0. Mend the list, or remove it."
        )
    for name in names:
        if Path(name).name != name or not (file.parent / name).is_file():
            raise MissingFile(f"{file} names {name}, which is no file of the folder.")
    return Listing(tuple(names), tuple(durations), stated=True)
