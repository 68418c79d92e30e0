"""The image that a name chooses in a file of several, such as ``a.lif#cell`` or ``a.lif#2``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from srlab.mistakes import Mistake, SeveralImages

_LISTED = 8
"""The most images that a message names."""


@dataclass(frozen=True)
class Chosen:
    """An image of a file."""

    place: int
    """The index of the image in the file, from 0."""

    name: str
    """Empty where the file has but one."""


def chosen_image(names: Sequence[str], wanted: str, path: object) -> Chosen:
    """Return the `wanted` image of a file; nothing is wanted of a file with a single one.

    An image is wanted by its name, in any case of letters, or by its number from 1. Of a name in a
    folder, such as ``Project/cell``, the last part will do. A name counts before a number. Of two
    with one name, such as ``cell``, the second is ``cell (2)``.

    Raises a `SeveralImages` where nothing is chosen among several, and a `Mistake` where there is
    no such one. Both list the images.
    """
    labels = _labels(names)
    if not labels:
        raise Mistake(f"{path} holds no image.")
    if not wanted and len(labels) > 1:
        raise SeveralImages(
            f"{path} holds {len(labels)} images ({_listed(labels)}): choose one by its name, or by "
            f"its number from 1, as in {path}#1.",
            labels,
        )
    place = _found(labels, wanted, path) if wanted else 0
    return Chosen(place, labels[place] if len(labels) > 1 else "")


def _labels(names: Sequence[str]) -> list[str]:
    """Return names of one line each, of which no two are the same."""
    labels: dict[str, None] = {}
    for name in names:
        plain = " ".join(name.split()) or "image"
        label, count = plain, 1
        while label in labels:
            count += 1
            label = f"{plain} ({count})"
        labels[label] = None
    return list(labels)


def _found(labels: Sequence[str], wanted: str, path: object) -> int:
    places = _places(labels, wanted)
    if len(places) == 1:
        return places[0]
    if not places and wanted.isdecimal() and 1 <= int(wanted) <= len(labels):
        return int(wanted) - 1
    problem = "several images named" if places else "no image"
    raise Mistake(
        f"{path} has {problem} {wanted!r}: choose from {_listed(labels)}, or by number from "
        f"1 to {len(labels)}."
    )


def _places(labels: Sequence[str], wanted: str) -> list[int]:
    """Return where a name stands: the whole of it, its last part, or either in other letters."""
    folded = wanted.casefold()
    ways = (
        [label == wanted for label in labels],
        [label.endswith(f"/{wanted}") for label in labels],
        [label.casefold() == folded for label in labels],
        [label.casefold().endswith(f"/{folded}") for label in labels],
    )
    for fits in ways:
        if any(fits):
            return [place for place, fit in enumerate(fits) if fit]
    return []


def _listed(labels: Sequence[str]) -> str:
    shown = ", ".join(labels[:_LISTED])
    rest = len(labels) - _LISTED
    return f"{shown} and {rest} more" if rest > 0 else shown
