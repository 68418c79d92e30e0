"""Scenes: the statistics of whole files, for normalisers of scope ``scene``."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from srlab.data.measuring.statistics import measure
from srlab.data.places.regions import Region
from srlab.files import file_and_image, replaced
from srlab.io import Reader
from srlab.io.masked import HIDDEN
from srlab.mistakes import Mistake
from srlab.normalisers.statistics import Statistics

log = logging.getLogger(__name__)

FORMAT = 2
"""The version of cached entries; entries of another version are measured again."""


class Scenes:
    """The statistics of each file by the reader's name; empty until `gather` is called."""

    def __init__(self) -> None:
        self._known: dict[str, Tensor] = {}

    def get(self, reader: Reader) -> Tensor | None:
        """Return the statistics ``(rows, C + 1)`` of a file, or None before `gather`."""
        return self._known.get(str(reader))

    def gather(self, readers: Sequence[Reader], cache: Path) -> None:
        """Measure the files; the JSON file `cache` keeps the results of unchanged ones.

        Raises a `Mistake` if a channel of a file holds no value at all.
        """
        kept = _kept(cache)
        entries = [_entry(reader, kept) for reader in readers]
        for reader, entry in zip(readers, entries, strict=True):
            statistics = Statistics.from_json(entry["statistics"])
            if not statistics.count.all():
                raise Mistake(f"a channel of {reader} holds no value at all; remove the file.")
            self._known[str(reader)] = statistics.as_tensor()
        if entries != list(kept.values()):
            # Several processes of a run may write it at once, each under a temporary name.
            with replaced(cache, suffix=str(os.getpid())) as unfinished:
                table = dict(zip(map(str, readers), entries, strict=True))
                unfinished.write_text(json.dumps(table))


def _kept(cache: Path) -> dict[str, Any]:
    try:
        kept: dict[str, Any] = json.loads(cache.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return kept


def _entry(reader: Reader, kept: dict[str, Any]) -> dict[str, Any]:
    """Return the cache's entry for a file, measured again if the file has changed."""
    state = _state(reader)
    entry: dict[str, Any] = kept.get(str(reader), {})
    if state and state == entry.get("state"):
        return entry
    log.info("measuring the values of %s", reader)
    whole = Region.whole(reader)
    statistics = measure(whole.blocks(), channels=len(reader.description.channels))
    return {"state": state, "statistics": statistics.to_json()}


def _state(reader: Reader) -> list[Any] | None:
    """Return values that change whenever the file, its bands or its hidden classes change.

    It is None for an array in memory.
    """
    path = Path(file_and_image(str(reader))[0])
    if not path.exists():
        return None
    status, hidden = path.stat(), reader.description.tags.get(HIDDEN)
    names = list(reader.description.names)
    return [FORMAT, status.st_size, status.st_mtime_ns, names, hidden]
