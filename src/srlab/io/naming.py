"""The names of outputs, by those of their inputs alone: nothing is opened."""

from __future__ import annotations

import os
from collections.abc import Sequence
from glob import has_magic
from pathlib import Path

from srlab.files import PathLike, file_and_image, is_remote, new_folder, part_of_name
from srlab.io.format import ending
from srlab.io.formats import find_format, recognised
from srlab.io.images import has_several
from srlab.mistakes import Mistake


def is_many(given: str | Sequence[str]) -> bool:
    """Whether several files are named: by a list, a glob, or a folder that is no image itself.

    Several images of a file count as several files.
    """
    if not isinstance(given, str):
        return True
    file, image = file_and_image(given)
    if image:
        return has_several(image)
    path = Path(os.path.expanduser(file))
    if is_remote(given) or path.is_file():
        return False
    if path.is_dir():
        return find_format(given, "reader") is None and recognised(path) is None
    return has_magic(given)


def output_of(source: PathLike, output: str) -> Path:
    """Return the path of a single output; in an existing folder it gets the input's name."""
    path = Path(os.path.expanduser(output))
    if path.is_dir() and find_format(path.name, "writer") is None:
        return path / output_name(source)
    return path


def folder_for(given: str | Sequence[str], output: str) -> Path:
    """Return the absolute path of the folder `output` for what is made of several inputs.

    Raises a `Mistake` if it cannot be written to, if its name is that of a single file, or if its
    files would be taken for inputs next time.
    """
    if find_format(Path(output).name, "writer") is not None:
        raise Mistake(
            f"output={output} names one file, and input= a folder, a glob or several files: name "
            "a folder for the outputs, without such an ending."
        )
    folder, root = new_folder(output), root_of(given)
    if root is not None and _finds_in(given, folder, root):
        raise Mistake(
            f"the folder of the outputs, {output}, lies in that of the inputs, {given}: the next "
            "run would take the outputs for inputs. Name another folder."
        )
    return folder


def _finds_in(given: str | Sequence[str], folder: Path, root: Path) -> bool:
    """Whether a folder or glob, which finds files below `root`, would find those in `folder`."""
    if isinstance(given, str) and has_magic(given) and "**" not in given:
        return folder == root  # the glob goes to a fixed depth, and outputs below lie deeper
    return folder.is_relative_to(root)


def root_of(given: str | Sequence[str]) -> Path | None:
    """Return the folder below which a folder or glob finds files; None for a list of files."""
    if not isinstance(given, str) or file_and_image(given)[1]:
        return None
    path = Path(os.path.expanduser(given)).absolute()
    plain = list(path.parts)
    while any(has_magic(part) for part in plain):
        plain.pop()
    root = Path(*plain)
    return root if root.is_dir() else root.parent


def output_name(source: PathLike) -> str:
    """Return the name of an output: that of the input, in a format that can be written."""
    file, image = file_and_image(source)
    name = Path(file).name
    form = find_format(name, "reader") or recognised(file)
    if form is None:
        return name
    own = ending(name, form.suffixes) or ""
    written = own if form.writer is not None else form.written_as
    return f"{name[: len(name) - len(own)]}{part_of_name(image)}{written}"
