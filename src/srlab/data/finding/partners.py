"""Matching of files of two kinds, such as LR and HR, by their names."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from srlab.files import PathLike, file_and_image, part_of_name
from srlab.io.format import ending
from srlab.mistakes import Mistake

log = logging.getLogger(__name__)

PLACE = "{name}"
"""The placeholder in a pattern for the common part of two files' names."""

SHOWN = 10
"""The number of names that a message lists."""


@dataclass(frozen=True)
class Named:
    """Files of one kind, and the pattern of their names."""

    kind: str
    """The kind in a word, such as ``LR``, for messages."""

    key: str
    """The configuration key of the pattern, for messages."""

    pattern: str
    """The name without its ending, with ``{name}`` for the common part, such as ``{name}x4``."""

    files: Sequence[PathLike]


def partners(
    first: Named, second: Named, *, suffixes: Sequence[str]
) -> list[tuple[PathLike, PathLike]]:
    """Return pairs of files of both kinds, sorted by their common names.

    Files without a partner are left out, and listed in a warning.

    Raises a `Mistake` if a pattern has no ``{name}``, two files share a name, or there is no pair.
    """
    named, others = _by_name(first, suffixes), _by_name(second, suffixes)
    both = sorted(named.keys() & others.keys())
    if not both:
        raise Mistake(
            f"no {first.kind} file belongs to any {second.kind} file: by "
            f"{first.key}={first.pattern} there are {listed(sorted(named))}, and by "
            f"{second.key}={second.pattern} there are {listed(sorted(others))}."
        )
    _warn(first, {named[name] for name in both})
    _warn(second, {others[name] for name in both})
    return [(named[name], others[name]) for name in both]


def _by_name(named: Named, suffixes: Sequence[str]) -> Mapping[str, PathLike]:
    before, place, after = named.pattern.partition(PLACE)
    if not place:
        raise Mistake(f"{named.key} is {named.pattern!r}; it must hold {PLACE}, as in {PLACE}x4.")
    by_name: dict[str, PathLike] = {}
    for file in named.files:
        whole = stem(file, suffixes)
        name = whole.removeprefix(before).removesuffix(after)
        if before + name + after != whole:
            continue
        if name in by_name:
            raise Mistake(
                f"{by_name[name]} and {file} both have the name {name!r} by "
                f"{named.key}={named.pattern}; remove one."
            )
        by_name[name] = file
    return by_name


def stem(file: PathLike, suffixes: Sequence[str]) -> str:
    """Return a file's name without its folder and its ending, and that of an image behind it."""
    whole, image = file_and_image(file)
    name = os.path.basename(whole)
    known = ending(name, suffixes)
    plain = os.path.splitext(name)[0] if known is None else name[: len(name) - len(known)]
    return plain + part_of_name(image)


def _warn(named: Named, used: set[PathLike]) -> None:
    alone = [os.path.basename(file) for file in named.files if file not in used]
    if alone:
        log.warning("%d %s files have no partner: %s", len(alone), named.kind, listed(alone))


def listed(names: Sequence[str]) -> str:
    """Return the first `SHOWN` names in one line, and the number of the others."""
    shown = ", ".join(names[:SHOWN]) or "none"
    rest = len(names) - SHOWN
    return f"{shown} and {rest} more" if rest > 0 else shown
