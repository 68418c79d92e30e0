"""Listed: a split that holds out the files that the user names."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path, PurePosixPath

from srlab.data.places.regions import Region
from srlab.data.splits.ground import together
from srlab.data.splits.protocol import Parted
from srlab.mistakes import MissingFile, Mistake

TEXT = ".txt"
"""The ending of a text file that lists names, one on each line."""


class Listed:
    """Holds out the files that are named.

    `files` are ends of paths, such as ``b.tif`` or ``north/b.tif``, or globs. A name that ends in
    ``.txt`` stands for the lines of that file; empty lines and lines that begin with ``#`` are
    skipped.

    Raises a `Mistake` if a name fits no file, or if only some files of the same ground are named.
    """

    def __init__(self, *, files: str | Sequence[str]) -> None:
        self.names = list(_names([files] if isinstance(files, str) else files))
        if not self.names:
            raise Mistake("files names nothing to hold out; name a file at least.")

    def __call__(self, regions: Sequence[Region]) -> Parted:
        """Split regions, each of a whole file."""
        paths = [str(region.reader).replace(os.sep, "/") for region in regions]
        held = {path for name in self.names for path in _fitting(name, paths)}
        parted = Parted([], [])
        for path, region in zip(paths, regions, strict=True):
            side = parted.held_out if path in held else parted.training
            side.append(region)
        if not parted.training:
            raise Mistake(
                f"split.files names all {len(regions)} files, and none is left to train on; name "
                "less, or add files."
            )
        for group in together(regions):
            _check_one_side(group, held)
        return parted


def _names(entries: Sequence[str]) -> Iterator[str]:
    for entry in entries:
        if not entry.endswith(TEXT):
            yield entry
            continue
        path = Path(os.path.expanduser(entry))
        if not path.is_file():
            raise MissingFile(f"split.files={entry} does not exist; name a text file, or files.")
        lines = map(str.strip, path.read_text(encoding="utf-8").splitlines())
        yield from (line for line in lines if line and not line.startswith("#"))


def _fitting(name: str, paths: Sequence[str]) -> list[str]:
    """Return the paths that end in a name; if there are none, those that match it as a glob."""
    wanted = os.path.expanduser(name).replace(os.sep, "/").removeprefix("./")
    fitting = [path for path in paths if path == wanted or path.endswith(f"/{wanted}")]
    if not fitting:
        fitting = [path for path in paths if PurePosixPath(path).match(wanted)]
    if not fitting:
        raise Mistake(
            f"split.files names {name}, and no file of data.root has that name, such as "
            f"{paths[0]}; mend or remove it."
        )
    return fitting


def _check_one_side(group: Sequence[Region], held: Collection[str]) -> None:
    """Raise a `Mistake` if some files of one ground are held out and others are not."""
    sides = {str(region.reader).replace(os.sep, "/") in held: region for region in group}
    if len(sides) == 2:
        raise Mistake(
            f"split.files holds out {sides[True].reader}, and {sides[False].reader} covers the "
            "same ground: name both, or neither."
        )
