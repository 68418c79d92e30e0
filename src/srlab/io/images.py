"""The choice of an image in a file of several, such as ``a.lif#cell`` or ``a.lif#2``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from srlab.mistakes import Mistake, SeveralImages

_LISTED = 8
"""The most images that a message names."""


@dataclass(frozen=True)
class Chosen:
    """The chosen image of a file."""

    index: int
    """The index of the image in the file, from 0."""

    name: str
    """The name of the image; empty if the file has only one."""


def has_several(image: str) -> bool:
    """Whether a name is a pattern that may fit several images of a file."""
    return "*" in image or "?" in image


def chosen_image(names: Sequence[str], wanted: str, path: object) -> Chosen:
    """Return the `wanted` image of a file; an empty text chooses the only image.

    An image is chosen by its name, whose case is ignored if need be, or by its number from 1. If a
    number is also a name, the name is meant. Of a name such as ``Project/cell``, the last part is
    enough. If two images are called ``cell``, the second is ``cell (2)``.

    Raises a `SeveralImages` if nothing is chosen among several images, and a `Mistake` if there is
    no such image. Both list the images.
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
    index = _index_of(labels, wanted, path) if wanted else 0
    return Chosen(index, labels[index] if len(labels) > 1 else "")


def _labels(names: Sequence[str]) -> list[str]:
    """Return the names, each on one line and made unique by a number."""
    labels: dict[str, None] = {}
    for name in names:
        plain = " ".join(name.split()) or "image"
        label, count = plain, 1
        while label in labels:
            count += 1
            label = f"{plain} ({count})"
        labels[label] = None
    return list(labels)


def _index_of(labels: Sequence[str], wanted: str, path: object) -> int:
    matches = _matches(labels, wanted)
    if len(matches) == 1:
        return matches[0]
    if not matches and wanted.isdecimal() and 1 <= int(wanted) <= len(labels):
        return int(wanted) - 1
    problem = "several images named" if matches else "no image"
    raise Mistake(
        f"{path} has {problem} {wanted!r}: choose from {_listed(labels)}, or by number from "
        f"1 to {len(labels)}."
    )


def _matches(labels: Sequence[str], wanted: str) -> list[int]:
    """Return the indices of the labels that a name fits best.

    The whole label comes before its last part, and both before the same without regard to case.
    """
    folded = wanted.casefold()
    ways_to_fit = (
        [label == wanted for label in labels],
        [label.endswith(f"/{wanted}") for label in labels],
        [label.casefold() == folded for label in labels],
        [label.casefold().endswith(f"/{folded}") for label in labels],
    )
    for fits in ways_to_fit:
        if any(fits):
            return [index for index, fit in enumerate(fits) if fit]
    return []


def _listed(labels: Sequence[str]) -> str:
    shown = ", ".join(labels[:_LISTED])
    rest = len(labels) - _LISTED
    return f"{shown} and {rest} more" if rest > 0 else shown
