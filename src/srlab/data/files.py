"""Finding files: ``data.root`` is a file, a folder or a glob."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from glob import glob, has_magic
from pathlib import Path

from srlab.mistakes import MissingFile


def find_files(root: str, suffixes: Sequence[str]) -> list[Path]:
    """Return the files under `root` that end in one of `suffixes`, sorted; a folder is searched through and through.

    Hidden files and folders are passed over. Nothing found is a ``FileNotFoundError`` that says what was looked for.
    """
    path = Path(os.path.expanduser(root))
    wanted = {suffix.lower() for suffix in suffixes}
    if path.is_file():
        return [path]  # named by the user, so whatever its suffix
    found: Iterable[Path]
    if path.is_dir():
        found = (file for file in path.rglob("*") if not _hidden(file.relative_to(path)))
    elif has_magic(root):
        # a set, since a pattern with ** twice finds a file twice, and training must not see a held-out one
        found = {Path(match) for match in glob(str(path), recursive=True)}
    else:
        raise MissingFile(
            f"data.root={root} does not exist; give a file, a folder or a glob of {_listed(suffixes)}, or data=demo."
        )
    files = sorted(
        file
        for file in found
        if file.suffix.lower() in wanted and file.is_file() and not _hidden(Path(file.name))
    )
    if not files:
        raise MissingFile(
            f"data.root={root} holds no {_listed(suffixes)}; give a folder of images, or try data=demo."
        )
    return files


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _listed(suffixes: Sequence[str]) -> str:
    return "/".join(suffixes) + " files"
