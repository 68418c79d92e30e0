"""Many inputs, each to a file of its own in one folder, with a table of the results."""

from __future__ import annotations

import csv
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from srlab.data.finding.files import find_files
from srlab.files import PathLike, file_and_image, remove_if_empty, replaced
from srlab.io import reserved
from srlab.io.formats import suffixes_of
from srlab.io.naming import folder_for, output_name, root_of
from srlab.mistakes import Mistake
from srlab.prediction.engines import Engine
from srlab.prediction.opened import Opened
from srlab.prediction.request import Request
from srlab.prediction.session import super_resolve_file

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pair:
    """An input, and the output that is made of it."""

    source: PathLike
    output: Path


@dataclass(frozen=True)
class Row:
    """The result of one input: a row of the table."""

    input: str
    output: str
    status: str
    """``done``, ``skipped`` (the output is there already) or ``failed``."""

    message: str = ""
    pixels: int = 0
    seconds: float = 0.0
    clipped: int = 0
    empty: int = 0
    settled: str = ""
    """The settings that were settled for it, such as its tiles, as JSON."""


def pairs_of(given: str | Sequence[str], output: str) -> list[Pair]:
    """Return the inputs that are named, and an output for each in the folder `output`.

    An output has the name of its input, with the ending of a format that can be written. Subfolders
    of the inputs' folder are repeated in that of the outputs.

    Raises a `Mistake` if `folder_for` does, or if two outputs would have one name.
    """
    folder, root = folder_for(given, output), root_of(given)
    made: dict[Path, PathLike] = {}
    for source in _sources([given] if isinstance(given, str) else given):
        below = Path()
        if root is not None:
            below = Path(file_and_image(source)[0]).absolute().parent.relative_to(root)
        target = folder / below / output_name(source)
        if target in made:
            raise Mistake(
                f"{made[target]} and {source} would both become {target}: name one of them alone."
            )
        made[target] = source
    return [Pair(source, target) for target, source in made.items()]


def super_resolve_files(
    models: Sequence[Opened],
    pairs: Sequence[Pair],
    folder: PathLike,
    *,
    request: Request | None = None,
    engine: Engine | None = None,
    overwrite: bool = False,
    progress: bool = False,
) -> list[Row]:
    """Super-resolve files one after the other, and write ``manifest.csv`` and ``manifest.json``.

    A file that fails does not stop the others. An output that is there is left alone unless
    `overwrite`. Both tables are written anew after each file.
    """
    rows: list[Row] = []
    for number, pair in enumerate(pairs, start=1):
        log.info("%d of %d: %s", number, len(pairs), pair.source)
        pair.output.parent.mkdir(parents=True, exist_ok=True)
        rows.append(_row(models, pair, request, engine, overwrite=overwrite, progress=progress))
        remove_if_empty(pair.output.parent)  # nothing is there of a file that failed
        _write_manifest(Path(folder), rows)
    return rows


def _row(
    models: Sequence[Opened],
    pair: Pair,
    request: Request | None,
    engine: Engine | None,
    *,
    overwrite: bool,
    progress: bool,
) -> Row:
    """Super-resolve one file, and return its row of the table."""
    names = (os.fspath(pair.source), os.fspath(pair.output))
    if pair.output.exists() and not overwrite:
        log.info("%s is there already: skipped", pair.output)
        return Row(*names, "skipped", "the output is there already; overwrite=true replaces it")
    try:
        with reserved(pair.output, source=pair.source, overwrite=overwrite):
            outcome = super_resolve_file(
                models,
                pair.source,
                pair.output,
                request=request,
                engine=engine,
                overwrite=overwrite,
                progress=progress,
            )
    except Exception as error:  # the others are done all the same
        message = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, Mistake):
            log.error("%s failed: %s", pair.source, message)
        else:
            log.exception("%s failed", pair.source)
        return Row(*names, "failed", message)
    log.info("wrote %s: %s", pair.output, outcome)
    return Row(
        *names,
        "done",
        pixels=outcome.pixels,
        seconds=round(outcome.seconds, 3),
        clipped=outcome.clipped,
        empty=outcome.empty,
        settled=json.dumps(outcome.settled, sort_keys=True),
    )


def _write_manifest(folder: Path, rows: Sequence[Row]) -> None:
    table = [asdict(row) for row in rows]
    folder.mkdir(parents=True, exist_ok=True)
    with replaced(folder / "manifest.csv") as unfinished, unfinished.open("w", newline="") as file:
        writer = csv.DictWriter(file, table[0])
        writer.writeheader()
        writer.writerows(table)
    with replaced(folder / "manifest.json") as unfinished:
        unfinished.write_text(json.dumps(table, indent=1) + "\n")


def _sources(names: Sequence[str]) -> Sequence[PathLike]:
    """Return the inputs that are named; one that is named twice, in whatever way, counts once."""
    once: dict[str, PathLike] = {}
    for name in names:
        for source in find_files(name, suffixes_of("reader"), key="input"):
            once.setdefault(os.path.realpath(source), source)
    return list(once.values())
