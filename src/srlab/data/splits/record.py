"""The record of a run's split in its folder, and a split that repeats it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from srlab.axes import Window
from srlab.data.places.regions import Region
from srlab.data.splits.protocol import Parted
from srlab.files import PathLike, file_and_image, replaced
from srlab.io import Reader
from srlab.mistakes import MissingFile, Mistake

SPLIT = "split.json"
"""The name of the file in a run's folder."""

Span = list[int]


@dataclass
class FileRecord:
    """The windows of a file for training and validation, ``[start, stop]`` along each axis."""

    bytes: int | None
    """The size of the file; None for a folder or a remote file."""

    training: list[list[Span]] = field(default_factory=list)
    validation: list[list[Span]] = field(default_factory=list)


Record = Mapping[str, FileRecord]
"""The record of each file, by its absolute path."""


def record_of(parted: Parted) -> Record:
    """Return the record of a split."""
    files: dict[str, FileRecord] = {}
    for region in parted.training:
        _entry(files, region).training.append(_spans(region.window))
    for region in parted.held_out:
        _entry(files, region).validation.append(_spans(region.window))
    return files


def write_record(record: Record, path: Path) -> None:
    """Write a record as a JSON file."""
    text = json.dumps({name: asdict(entry) for name, entry in record.items()})
    with replaced(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def read_record(path: PathLike) -> Record:
    """Read a record from a JSON file; raises a `Mistake` if there is none or it is damaged."""
    try:
        text = Path(path).read_text(encoding="utf-8")
        return {name: FileRecord(**entry) for name, entry in json.loads(text).items()}
    except FileNotFoundError:
        raise MissingFile(f"{path} does not exist; name the split.json of a run.") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise Mistake(
            f"{path} is no record of a split ({error}): put it back as it was."
        ) from error


def difference(kept: Record, now: Record) -> str | None:
    """Describe the first difference of two records in a line, or return None if they are equal.

    Files that are missing or new come first, since they change the split of the others.
    """
    names = sorted({**kept, **now}, key=lambda name: name in kept and name in now)
    changes = [_change(name, kept.get(name), now.get(name)) for name in names]
    lines = [change for change in changes if change is not None]
    if not lines:
        return None
    if len(lines) == 1:
        return lines[0]
    return f"{lines[0]} ({len(lines)} files differ)"


def _change(name: str, kept: FileRecord | None, now: FileRecord | None) -> str | None:
    if now is None:
        return f"{name} is gone"
    if kept is None:
        return f"{name} is new"
    if kept.bytes != now.bytes:
        return f"{name} has {now.bytes} bytes and had {kept.bytes}"
    if kept != now:
        return f"other parts of {name} are held out"
    return None


class Saved:
    """Holds out the same regions as an earlier run, by the file ``split.json`` in its folder.

    Raises a `Mistake` for a file that the record lacks, or whose size has changed.
    """

    def __init__(self, *, path: str) -> None:
        self.path = path
        self.record = read_record(path)

    def __call__(self, regions: Sequence[Region]) -> Parted:
        """Split regions, each of a whole file."""
        parted = Parted([], [])
        for region in regions:
            name = path_of(region.reader)
            entry = self.record.get(name)
            if entry is None:
                raise Mistake(
                    f"{name} is none of the files of {self.path}, so that it neither trained nor "
                    "validated; name these files, or choose another split."
                )
            if entry.bytes != _size(name):
                raise Mistake(
                    f"{name} has {_size(name)} bytes and had {entry.bytes} when {self.path} was "
                    "written; put it back as it was, or choose another split."
                )
            parted.training.extend(_regions(region.reader, entry.training))
            parted.held_out.extend(_regions(region.reader, entry.validation))
        return parted


def path_of(reader: Reader) -> str:
    """Return the name of a file in records: its absolute path if it exists on this machine."""
    name = str(reader)
    return os.path.abspath(name) if os.path.exists(name) else name


def _size(name: str) -> int | None:
    file, _ = file_and_image(name)
    return os.path.getsize(file) if os.path.isfile(file) else None


def _entry(files: dict[str, FileRecord], region: Region) -> FileRecord:
    name = path_of(region.reader)
    if name not in files:
        files[name] = FileRecord(_size(name))
    return files[name]


def _spans(window: Window) -> list[Span]:
    return [[span.start, span.stop] for span in window]


def _regions(reader: Reader, windows: Sequence[Sequence[Span]]) -> list[Region]:
    return [Region(reader, _window(spans)) for spans in windows]


def _window(spans: Sequence[Span]) -> Window:
    return tuple(slice(*span) for span in spans)
