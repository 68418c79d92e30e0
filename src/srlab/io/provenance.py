"""Reading back how an output was made: the `Provenance` that writers store in their files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from srlab.files import PathLike, existing_path
from srlab.io.damage import COPY_AGAIN
from srlab.io.exif import DESCRIPTION, SOFTWARE
from srlab.mistakes import Mistake

Tags = Mapping[str, str]
"""Texts under the names that `srlab.io.Provenance.tags` gives them."""


def read_provenance(path: PathLike) -> Tags:
    """Return the provenance that an output of srlab holds.

    Raises a `Mistake` if the file is damaged or holds none. Some formats have no room for it.
    """
    file = existing_path(path)
    # Before the suffix of an array its name may state axes.
    fitting = [suffix for suffix in _READERS if file.name.lower().endswith(suffix)]
    suffix = max(fitting, key=len, default="")
    tags: Tags = {}
    if suffix:
        try:
            tags = _READERS[suffix](file)
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise Mistake(f"{path} cannot be read: {error}. {COPY_AGAIN}") from error
    if "MODEL_SHA256" not in tags:
        raise Mistake(
            f"{path} holds no note of what made it: it is no output of srlab, or its format has no "
            "room for one."
        )
    return tags


def _from_raster(path: Path) -> Tags:
    import rasterio

    from srlab.io.raster.gdal import gdal

    with gdal(f"{path} cannot be read", advice=COPY_AGAIN), rasterio.open(path) as file:
        # PNG spells some keys with small letters, such as "Software".
        return {name.upper(): text for name, text in file.tags().items()}


def _from_picture(path: Path) -> Tags:
    """Take apart the image description in EXIF data, as `srlab.io.image.writer` makes it."""
    from PIL import Image

    with Image.open(path) as image:
        description = str(image.getexif().get(DESCRIPTION, ""))
        software = str(image.getexif().get(SOFTWARE, ""))
    parts = _PICTURE_NOTE.search(description)
    if parts is None:
        return {}
    tags = {
        "SOFTWARE": software,
        "MODEL_SHA256": parts["model"],
        "DESCRIPTION": parts["description"],
    }
    if parts["settings"]:
        tags["SETTINGS"] = parts["settings"]
    return tags


_PICTURE_NOTE = re.compile(
    r"(?P<description>[^;\n]*), model SHA-256 (?P<model>\w+)(?:, settings (?P<settings>\{.*\}))?",
    re.DOTALL,
)


def _from_zarr(path: Path) -> Tags:
    import zarr

    attributes = zarr.open(path, mode="r").attrs
    return {str(key): value for key, value in attributes.items() if isinstance(value, str)}


def _from_ome_tiff(path: Path) -> Tags:
    from xml.etree import ElementTree

    from tifffile import TiffFile

    with TiffFile(path) as file:
        root = ElementTree.fromstring(file.ome_metadata or "<OME/>")
    for element in root.iter():
        if element.tag.endswith("Description") and (element.text or "").startswith("{"):
            return _parsed(element.text or "")
    return {}


def _from_volume(path: Path) -> Tags:
    import nibabel

    header: Any = nibabel.load(path).header
    for extension in getattr(header, "extensions", ()):
        content = extension.get_content()
        text = content.decode(errors="replace") if isinstance(content, bytes) else str(content)
        if text.startswith("{"):
            return _parsed(text.rstrip("\0"))
    return {}


def _from_npz(path: Path) -> Tags:
    with ZipFile(path) as archive:
        return _parsed(archive.comment.decode())


def _from_video(path: Path) -> Tags:
    import av

    with av.open(str(path)) as container:
        metadata = container.metadata
        return _parsed(metadata.get("comment") or metadata.get("COMMENT", ""))  # the latter in mkv


def _from_frames(path: Path) -> Tags:
    """Read the comments of a folder's list of frames, each ``# NAME: text``."""
    from srlab.io.video.listing import LISTING

    tags = {}
    for line in (path / LISTING).read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            name, _, text = line[2:].partition(": ")
            tags[name] = text
    return tags


def _parsed(text: str) -> Tags:
    tags = json.loads(text or "{}")
    return tags if isinstance(tags, dict) else {}


_READERS: Mapping[str, Callable[[Path], Tags]] = {
    **dict.fromkeys((".tif", ".tiff", ".png"), _from_raster),
    **dict.fromkeys((".jpg", ".jpeg", ".webp"), _from_picture),
    **dict.fromkeys((".zarr", ".ome.zarr"), _from_zarr),
    **dict.fromkeys((".ome.tif", ".ome.tiff"), _from_ome_tiff),
    **dict.fromkeys((".nii", ".nii.gz"), _from_volume),
    ".npz": _from_npz,
    **dict.fromkeys((".mp4", ".mov", ".mkv"), _from_video),
    ".frames": _from_frames,
}
"""The function that reads the provenance, for each suffix of an output."""
