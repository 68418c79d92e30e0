"""The hashes of the files that an output is made of."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from srlab.files import PathLike, content_hash, file_and_image, is_remote
from srlab.models.card import ModelCard
from srlab.models.compatibility import further_dates
from srlab.prediction.request import Request


def input_hash(path: PathLike) -> str:
    """Return the hash of an input, or the name of one that GDAL resolves.

    One image of a store has the hash of its own folder. One image of a file with several has the
    hash of two things: the hash of the file, and the name of the image.
    """
    if is_remote(path):
        return str(path)
    file, image = file_and_image(path)
    if not image:
        return content_hash(file)
    place = Path(os.path.expanduser(file))
    if (place / image).is_dir():
        return content_hash(place / image)
    own = content_hash(place) if place.is_dir() else _hash_of_many(place, place.stat().st_mtime_ns)
    return hashlib.sha256(f"{own} {image}".encode()).hexdigest()


@lru_cache(maxsize=1)
def _hash_of_many(path: Path, changed: int) -> str:
    """Return the hash of a file, kept while its images are the inputs one after the other."""
    return content_hash(path)


def further_hashes(card: ModelCard, source: PathLike, request: Request) -> dict[str, str]:
    """Return the hashes of the guide and of the further dates, if there are any."""
    found = {}
    if request.guide is not None:
        found["guide"] = input_hash(request.guide)
    if request.dates is not None:
        files = further_dates(card, source, request.dates)
        found["dates"] = " ".join(map(input_hash, files))
    return found


def files_of(
    card: ModelCard, source: PathLike, request: Request, hashes: Mapping[str, str]
) -> tuple[tuple[str, str], ...]:
    """Return each local file that an output is made of, with its hash.

    Names that GDAL resolves are left out.
    """
    pairs: list[tuple[PathLike, str]] = [(source, hashes["input"])]
    if request.guide is not None:
        pairs.append((request.guide, hashes["guide"]))
    if request.dates is not None:
        files = further_dates(card, source, request.dates)
        pairs += zip(files, hashes["dates"].split(" "), strict=True)
    here = [(os.fspath(path), digest) for path, digest in pairs if not is_remote(path)]
    return tuple((os.path.abspath(os.path.expanduser(path)), digest) for path, digest in here)
