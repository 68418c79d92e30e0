"""Shortening of texts from files and errors, so that a message stays on one line."""

from __future__ import annotations

from collections.abc import Sequence


def shortened(text: object, most: int = 300) -> str:
    """Return text on one line, cut after `most` characters."""
    line = " ".join(str(text).split())
    if len(line) > most:
        return f"{line[:most]}…"
    return line


def first_sentence(error: Exception) -> str:
    """Return the first sentence of an error's message, or the error's type if it has none."""
    line = str(error).strip().partition("\n")[0]
    return shortened(line.partition(". ")[0].rstrip(".")) or type(error).__name__


def listed(names: Sequence[str], most: int = 5) -> str:
    """Return the first names, followed by the number of the others."""
    shown = ", ".join(shortened(name, 90) for name in names[:most])
    if len(names) > most:
        return f"{shown} and {len(names) - most} more"
    return shown
