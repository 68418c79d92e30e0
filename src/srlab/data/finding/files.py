"""Finding the files of ``data.root``: a file, a folder, a glob or a name that GDAL resolves."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from glob import escape, glob, has_magic
from itertools import chain
from pathlib import Path

from srlab.data.finding.missing import empty, nowhere
from srlab.files import PathLike, file_and_image, is_remote, with_image
from srlab.io import open_reader
from srlab.io.format import ending
from srlab.io.formats import known_formats, may_be_folder
from srlab.io.images import has_several
from srlab.mistakes import MissingFile, Mistake, SeveralImages


def find_files(root: str, suffixes: Sequence[str], *, key: str = "data.root") -> Sequence[PathLike]:
    """Return the images under `root` whose names end in one of `suffixes`, sorted.

    Folders are searched recursively and through links; hidden files and folders are skipped.

    - A folder that is itself an image, such as ``x.zarr``, is one result.
    - If several files form one image, such as a DICOM series, the first of them is the result.
    - A file without an ending is inspected if one of `suffixes` belongs to such a format.
    - If several links lead to one file, only the first is a result.
    - A name that GDAL resolves, such as a URL, is one image.
    - If a file holds several images, ``a.lif#cell`` chooses one by its name. A pattern chooses all
      that fit, such as ``a.lif#*`` or ``lifs/*.lif#cell?``.

    Raises a `MissingFile` that names the configuration's `key` if there are no such images.
    """
    if is_remote(root):
        return [root]
    root = os.path.expanduser(root)
    inside = _inside(root, suffixes, key)
    if inside:
        return inside
    path = Path(root)
    if path.is_file() or _is_image(path, suffixes):
        return [path]  # a file that the user names may have any suffix
    if path.is_dir():
        entries = list(chain.from_iterable(map(Path.iterdir, _folders(path, suffixes))))
    elif has_magic(root):
        entries = [Path(match) for match in _matches(path.parts, suffixes)]
    else:
        raise MissingFile(nowhere(key, root, suffixes))
    images = {entry for entry in entries if _is_image(entry, suffixes)}
    # A file inside a folder that is an image belongs to that image.
    images = {image for image in images if images.isdisjoint(image.parents)}
    if not images:
        raise MissingFile(empty(key, root, suffixes, entries))
    return _without_links(_without_further_parts(sorted(images)))


def _inside(root: str, suffixes: Sequence[str], key: str) -> list[str]:
    """Return the images that `root` chooses inside of files; none if it names whole files."""
    file, image = file_and_image(root)
    files: Sequence[PathLike] = [file]
    if not image:
        pattern, _, image = root.rpartition("#")
        if not has_magic(pattern) or glob(root):
            return []
        files = find_files(pattern, suffixes, key=key)
    return [*chain.from_iterable(_fitting(each, image, key) for each in files)]


def _fitting(file: PathLike, image: str, key: str) -> list[str]:
    """Return the names of the images in a file that fit a pattern."""
    if not has_several(image):
        return [with_image(file, image)]
    try:
        open_reader(file)
    except SeveralImages as several:
        pattern = image.replace("[", "[[]")  # which stands for itself in the names of images
        fitting = [name for name in several.names if fnmatchcase(name, pattern)]
        if not fitting:
            raise MissingFile(f"{key}: no image fits #{image}; {several}") from several
        return [with_image(file, name) for name in fitting]
    except Mistake:  # raised again when the file is read
        pass
    return [str(file)]


def _without_further_parts(paths: Sequence[Path]) -> list[Path]:
    """Keep the first file of each image that consists of several files, and all other files."""
    kept = set(paths)
    for form in known_formats():
        if form.first_of_each is None:
            continue
        parts = {path for path in kept if form.claims(path)}
        if parts:  # their library may not be installed
            kept = (kept - parts) | set(form.whole(sorted(parts)))
    return sorted(kept)


def _without_links(paths: Sequence[Path]) -> list[Path]:
    """Keep the first path to each file, so that no held-out file trains under another name."""
    first: dict[str, Path] = {}
    for path in paths:
        first.setdefault(os.path.realpath(path), path)
    return list(first.values())


def _folders(top: Path, suffixes: Sequence[str]) -> Iterator[Path]:
    """Yield a folder and the folders below it that are no images; each once, despite links."""
    entered = set()
    for name, inner, _ in os.walk(top, followlinks=True):
        real = os.path.realpath(name)
        if real in entered:  # a link to a folder above would never end
            inner.clear()
            continue
        entered.add(real)
        yield Path(name)
        # os.walk descends into the folders that this list holds, in its order.
        plain = [folder for folder in inner if not _is_image(Path(name, folder), suffixes)]
        inner[:] = sorted(folder for folder in plain if not folder.startswith("."))


def _matches(parts: Sequence[str], suffixes: Sequence[str]) -> Iterator[str]:
    """Yield the paths that a glob matches; ``**`` follows links, but visits each folder once."""
    if "**" not in parts:
        yield from glob(str(Path(*parts)))
        return
    at = parts.index("**")
    rest = parts[at + 1 :] or ("*",)
    for top in glob(str(Path(*parts[:at]))):
        for folder in _folders(Path(top), suffixes):
            yield from _matches((*Path(escape(str(folder))).parts, *rest), suffixes)


def _is_image(path: Path, suffixes: Sequence[str]) -> bool:
    if path.name.startswith("."):
        return False
    suffix = ending(path.name, suffixes)
    if suffix is None:
        wanted = {suffix.lower() for suffix in suffixes}
        formats = [form for form in known_formats() if not wanted.isdisjoint(form.suffixes)]
        return any(form.claims(path) for form in formats)
    return path.is_file() or (path.is_dir() and may_be_folder(suffix))
