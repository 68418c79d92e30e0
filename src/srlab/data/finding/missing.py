"""The messages for places where no image is found: what was looked for, and what is there."""

from __future__ import annotations

from collections.abc import Sequence
from glob import has_magic
from pathlib import Path

from srlab.files import names_in, similar_names

MOST_LISTED = 12
"""The most endings that are listed. A command that reads all formats points to the README."""

NEAR = 3
"""The most files that are named because they are there."""


def nowhere(key: str, root: str, suffixes: Sequence[str]) -> str:
    """Return the message for a name that neither a file nor a folder has."""
    similar = " or ".join(similar_names(root))
    if similar:
        return f"{key}={root} does not exist: did you mean {similar}?"
    return f"{key}={root} does not exist; give a file, a folder or a glob of {_wanted(suffixes)}."


def empty(key: str, root: str, suffixes: Sequence[str], entries: Sequence[Path]) -> str:
    """Return the message for a folder or a glob without images, by its other `entries`."""
    names = sorted(entry.name for entry in entries if not entry.name.startswith("."))
    if names or not has_magic(root):
        others = f", only {_few(names)}" if names else ""
        return (
            f"{key}={root} holds no {_wanted(suffixes)}{others}: check the path, or name another "
            "one."
        )
    folder = Path(root).parent
    if has_magic(str(folder)):
        return f"{key}={root} fits no file: check the path, or name another one."
    if not folder.is_dir():
        return f"{key}={root} fits no file: the folder {folder} does not exist."
    near = _few(similar_names(root) or names_in(folder)) or "nothing"
    return f"{key}={root} fits no file; {folder} holds {near}: check the path."


def _few(names: Sequence[str]) -> str:
    """Name a few of many files."""
    few = ", ".join(names[:NEAR])
    return few if len(names) <= NEAR else f"{few} and {len(names) - NEAR} more"


def _wanted(suffixes: Sequence[str]) -> str:
    if len(suffixes) > MOST_LISTED:
        return "files in a format that the README lists"
    return "/".join(suffixes) + " files"
