"""Finding files: ``data.root`` is a file, a folder or a glob."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from glob import glob, has_magic
from pathlib import Path

from srlab.io.formats import ending, may_be_folder
from srlab.mistakes import MissingFile


def find_files(root: str, suffixes: Sequence[str]) -> list[Path]:
    """Return the images under `root` whose names end in one of `suffixes`, sorted.

    A folder is searched through and through. A folder that is itself an image, such as ``x.zarr``,
    is one result. Hidden files and folders are passed over.

    Raises a `Mistake` that says what was looked for if there is nothing of it.
    """
    path = Path(os.path.expanduser(root))
    if path.is_file() or _is_image(path, suffixes):
        return [path]  # a file is named by the user, so whatever its suffix
    if path.is_dir():
        found = set(_walk(path, suffixes))
    elif has_magic(root):
        # A set: a pattern with ** twice finds a file twice, and training must see no held-out one.
        found = {Path(match) for match in glob(str(path), recursive=True)}
        found = {match for match in found if _is_image(match, suffixes)}
        found = {match for match in found if found.isdisjoint(match.parents)}
    else:
        raise MissingFile(
            f"data.root={root} does not exist; give a file, a folder or a glob of "
            f"{_listed(suffixes)}, or data=demo."
        )
    if not found:
        raise MissingFile(
            f"data.root={root} holds no {_listed(suffixes)}; give a folder of images, or try "
            "data=demo."
        )
    return sorted(found)


def _walk(path: Path, suffixes: Sequence[str]) -> Iterator[Path]:
    """Find the images in a folder and in the folders in it."""
    for folder, folders, files in os.walk(path):
        entries = [Path(folder, name) for name in [*folders, *files]]
        images = [entry for entry in entries if _is_image(entry, suffixes)]
        yield from images
        taken = {image.name for image in images}
        # os.walk goes into the folders that are left in its list.
        folders[:] = [name for name in folders if name not in taken and not name.startswith(".")]


def _is_image(path: Path, suffixes: Sequence[str]) -> bool:
    suffix = ending(path.name, suffixes)
    if suffix is None or path.name.startswith("."):
        return False
    return path.is_file() or (path.is_dir() and may_be_folder(suffix))


def _listed(suffixes: Sequence[str]) -> str:
    return "/".join(suffixes) + " files"
