"""The hashes of what an output is made of."""

from __future__ import annotations

import hashlib

from srlab.files import PathLike, content_hash, file_and_image, is_remote
from srlab.models.card import ModelCard
from srlab.models.compatibility import further_dates
from srlab.prediction.request import Request


def input_hash(path: PathLike) -> str:
    """Return the hash of an input, or the name of one that GDAL resolves.

    Of an image of several in a file, it is the hash of the file's hash and the image's name.
    """
    if is_remote(path):
        return str(path)
    file, image = file_and_image(path)
    own = content_hash(file)
    return hashlib.sha256(f"{own} {image}".encode()).hexdigest() if image else own


def further_hashes(card: ModelCard, source: PathLike, request: Request) -> dict[str, str]:
    """Return the hashes of the guide and of the further dates, if there are any."""
    found = {}
    if request.guide is not None:
        found["guide"] = input_hash(request.guide)
    if request.dates is not None:
        files = further_dates(card, source, request.dates)
        found["dates"] = " ".join(map(input_hash, files))
    return found
