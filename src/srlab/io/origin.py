"""The note of what made an output, as its file has it; see `srlab.io.protocols.Provenance`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from srlab.files import PathLike, existing_path
from srlab.io.format import ending
from srlab.mistakes import Mistake

Tags = Mapping[str, str]
"""By the names of `srlab.io.Provenance.tags`."""


def origin_of(path: PathLike) -> Tags:
    """Return the note of what made a file.

    Raises a `Mistake` if it has none: it is not an output of srlab, or of a format without room.
    """
    place = existing_path(path)
    suffix = ending(place.name, list(_NOTES)) or ""
    tags: Tags = {}
    if suffix:
        try:
            tags = _NOTES[suffix](place)
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise Mistake(f"{path} cannot be read: {error}") from error
    if "MODEL_SHA256" not in tags:
        raise Mistake(
            f"{path} holds no note of what made it: it is no output of srlab, or its format has no "
            "room for one."
        )
    return tags


def _of_raster(path: Path) -> Tags:
    import rasterio

    from srlab.io.raster.gdal import gdal

    with gdal(f"{path} cannot be read"), rasterio.open(path) as file:
        # PNG has spellings of its own for some words.
        return {name.upper(): text for name, text in file.tags().items()}


def _of_picture(path: Path) -> Tags:
    """Read the description in EXIF data, where one text says all."""
    from PIL import Image

    with Image.open(path) as image:
        text = str(image.getexif().get(_IMAGE_DESCRIPTION, ""))
        software = str(image.getexif().get(_SOFTWARE, ""))
    found = re.search(r"([^;\n]*), model SHA-256 (\w+)(?:, settings (\{.*\}))?", text, re.DOTALL)
    if found is None:
        return {}
    description, model, settings = found.groups()
    tags = {"SOFTWARE": software, "MODEL_SHA256": model, "DESCRIPTION": description}
    return tags | ({"SETTINGS": settings} if settings else {})


_IMAGE_DESCRIPTION, _SOFTWARE = 270, 305


def _of_zarr(path: Path) -> Tags:
    import zarr

    attributes = zarr.open(path, mode="r").attrs
    return {str(key): value for key, value in attributes.items() if isinstance(value, str)}


def _of_ome_tiff(path: Path) -> Tags:
    from xml.etree import ElementTree

    from tifffile import TiffFile

    with TiffFile(path) as file:
        root = ElementTree.fromstring(file.ome_metadata or "<OME/>")
    for element in root.iter():
        if element.tag.endswith("Description") and (element.text or "").startswith("{"):
            return _parsed(element.text or "")
    return {}


def _of_volume(path: Path) -> Tags:
    import nibabel

    header: Any = nibabel.load(path).header
    for extension in getattr(header, "extensions", ()):
        content = extension.get_content()
        text = content.decode(errors="replace") if isinstance(content, bytes) else str(content)
        if text.startswith("{"):
            return _parsed(text.rstrip("\0"))
    return {}


def _of_archive(path: Path) -> Tags:
    with ZipFile(path) as archive:
        return _parsed(archive.comment.decode())


def _of_video(path: Path) -> Tags:
    import av

    with av.open(str(path)) as container:
        return _parsed(container.metadata.get("comment") or container.metadata.get("COMMENT", ""))


def _of_frames(path: Path) -> Tags:
    from srlab.io.video.listing import LISTING

    lines = (path / LISTING).read_text(encoding="utf-8").splitlines()
    pairs = [line[2:].partition(": ") for line in lines if line.startswith("# ")]
    return {name: text for name, _, text in pairs}


def _parsed(text: str) -> Tags:
    found = json.loads(text or "{}")
    return found if isinstance(found, dict) else {}


_NOTES: Mapping[str, Callable[[Path], Tags]] = {
    **dict.fromkeys((".tif", ".tiff", ".png"), _of_raster),
    **dict.fromkeys((".jpg", ".jpeg", ".webp"), _of_picture),
    **dict.fromkeys((".zarr", ".ome.zarr"), _of_zarr),
    **dict.fromkeys((".ome.tif", ".ome.tiff"), _of_ome_tiff),
    **dict.fromkeys((".nii", ".nii.gz"), _of_volume),
    ".npz": _of_archive,
    **dict.fromkeys((".mp4", ".mov", ".mkv"), _of_video),
    ".frames": _of_frames,
}
