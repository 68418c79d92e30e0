"""Whether a worker finds the files that the client has under the same paths."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

from srlab.files import file_and_image
from srlab.mistakes import Mistake
from srlab.prediction.output.hashes import input_hash

Stamp = tuple[tuple[str, int, int], ...]
"""Name, bytes and time of change of each file of an image."""

SAME = "all workers must see models, inputs and outputs under the same paths."


@dataclass(frozen=True)
class Sighting:
    """An input as the client finds it."""

    path: str
    digest: str
    stamp: Stamp

    @classmethod
    def of(cls, path: str, digest: str) -> Sighting:
        """Look at a file, whose hash is known."""
        return cls(path, digest, _stamp(path))

    def check(self) -> None:
        """Raise a `Mistake` unless it is the same file here.

        Its contents are read only where size or time differ, since the time of a copy may.
        """
        check_there(self.path)
        if _stamp(self.path) != self.stamp and input_hash(self.path) != self.digest:
            raise other_file(self.path)


def check_there(path: str) -> None:
    """Raise a `Mistake` if there is no such file here."""
    file, _ = file_and_image(path)
    if not os.path.exists(file):
        raise Mistake(f"{file} is not there on {socket.gethostname()}, where a worker runs: {SAME}")


def other_file(path: str) -> Mistake:
    """Return what to say of a file that is not the client's."""
    return Mistake(f"{path} is another file on {socket.gethostname()}, where a worker runs: {SAME}")


def _stamp(path: str) -> Stamp:
    place = Path(file_and_image(path)[0])
    files = sorted(place.rglob("*")) if place.is_dir() else [place]
    stats = [(str(file.relative_to(place)), file.stat()) for file in files if file.is_file()]
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)
