"""Finding files: ``data.root`` is a file, a folder, a glob or a name that GDAL resolves."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from glob import escape, glob, has_magic
from pathlib import Path

from srlab.files import PathLike, file_and_image, is_remote, with_image
from srlab.io import open_reader
from srlab.io.format import ending
from srlab.io.formats import known_formats, may_be_folder
from srlab.mistakes import MissingFile, Mistake, SeveralImages


def find_files(root: str, suffixes: Sequence[str], *, key: str = "data.root") -> Sequence[PathLike]:
    """Return the images under `root` whose names end in one of `suffixes`, sorted.

    A folder is searched through and through, and so are folders that are linked there. A folder
    that is itself an image, such as ``x.zarr``, is one result. So are files that are one image
    together, such as a DICOM series: the first stands for all. Names without an ending are looked
    into where `suffixes` ask for such a format. Of several links to a file the first counts. Hidden
    files and folders are passed over. A name that GDAL resolves, such as a URL, is one image.

    An image of a file is chosen behind its name, such as ``a.lif#cell``, and several by a pattern,
    such as ``a.lif#*`` or ``lifs/*.lif#cell?``.

    Raises a `Mistake` that says what was looked for, by which `key`, if there is nothing of it.
    """
    if is_remote(root):
        return [root]
    root = os.path.expanduser(root)
    inside = _inside(root, suffixes, key)
    if inside:
        return inside
    path = Path(root)
    if path.is_file() or _is_image(path, suffixes):
        return [path]  # a file is named by the user, so whatever its suffix
    if path.is_dir():
        found = [entry for folder in _folders(path, suffixes) for entry in folder.iterdir()]
    elif has_magic(root):
        found = [Path(match) for match in _matches(path.parts, suffixes)]
    else:
        raise MissingFile(
            f"{key}={root} does not exist; give a file, a folder or a glob of {_listed(suffixes)}."
        )
    images = {entry for entry in found if _is_image(entry, suffixes)}
    images = {image for image in images if images.isdisjoint(image.parents)}
    if not images:
        raise MissingFile(
            f"{key}={root} holds no {_listed(suffixes)}: check the path, or name another one."
        )
    return _once(_whole(sorted(images)))


def has_several(image: str) -> bool:
    """Whether a pattern is to choose among the images of a file."""
    return "*" in image or "?" in image


def _inside(root: str, suffixes: Sequence[str], key: str) -> list[str]:
    """Return the images that are chosen in a file, or in those of a glob, if any are."""
    file, image = file_and_image(root)
    files: Sequence[PathLike] = [file]
    if not image:
        pattern, _, image = root.rpartition("#")
        if not has_magic(pattern) or glob(root):
            return []
        files = find_files(pattern, suffixes, key=key)
    return [name for each in files for name in _fitting(each, image, key)]


def _fitting(file: PathLike, image: str, key: str) -> list[str]:
    """Return the names of the images of a file that fit a pattern, or that of the one named."""
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
    except Mistake:  # which whoever reads the file tells
        pass
    return [str(file)]


def _whole(paths: Sequence[Path]) -> list[Path]:
    """Return one of the files of each image that several files are together, and all others."""
    kept = set(paths)
    for form in known_formats():
        if form.first_of_each is None:
            continue
        parts = {path for path in kept if form.claims(path)}
        if parts:  # their library may not be installed
            kept = (kept - parts) | set(form.whole(sorted(parts)))
    return sorted(kept)


def _once(paths: Sequence[Path]) -> list[Path]:
    """Return the first path to each file: training must see no held-out one by another name."""
    first: dict[str, Path] = {}
    for path in paths:
        first.setdefault(os.path.realpath(path), path)
    return list(first.values())


def _folders(top: Path, suffixes: Sequence[str]) -> Iterator[Path]:
    """Yield a folder and the folders in it that are no images, each real one once."""
    entered = set()
    for name, inner, _ in os.walk(top, followlinks=True):
        real = os.path.realpath(name)
        if real in entered:  # a link back to where it lies would lead around for ever
            inner.clear()
            continue
        entered.add(real)
        yield Path(name)
        # os.walk goes into the folders that are left in its list, in its order.
        plain = [each for each in inner if not _is_image(Path(name, each), suffixes)]
        inner[:] = sorted(each for each in plain if not each.startswith("."))


def _matches(parts: Sequence[str], suffixes: Sequence[str]) -> Iterator[str]:
    """Yield what a glob matches; its ``**`` goes into linked folders, but not around in circles."""
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
        return any(
            form.claims(path) for form in known_formats() if not wanted.isdisjoint(form.suffixes)
        )
    return path.is_file() or (path.is_dir() and may_be_folder(suffix))


def _listed(suffixes: Sequence[str]) -> str:
    return "/".join(suffixes) + " files"
