"""Channels of a file that are chosen by number or by name."""

from __future__ import annotations

from collections.abc import Sequence

from srlab.mistakes import MissingBand, Mistake


def chosen(
    names: Sequence[str], wanted: Sequence[int | str] | None, path: object
) -> tuple[int, ...]:
    """Return the places, from 0, of the `wanted` channels in their order; None for all.

    A channel is wanted by its number from 1, or by its name in any case of letters.

    Raises a `MissingBand` if the file has no such channel, or several.
    """
    if wanted is None:
        return tuple(range(len(names)))
    if isinstance(wanted, str) or not wanted:
        raise Mistake(
            f"bands is {wanted!r}; give a list of numbers from 1 or of names, such as [1, 2, 3]."
        )
    return tuple(_find(names, entry, path) for entry in wanted)


def _find(names: Sequence[str], wanted: int | str, path: object) -> int:
    listed = ", ".join(names)
    if isinstance(wanted, int):
        if not 1 <= wanted <= len(names):
            raise MissingBand(
                f"{path} has no band {wanted}: its bands are 1 to {len(names)}, named {listed}."
            )
        return wanted - 1
    found = [place for place, name in enumerate(names) if name == wanted]
    if not found:
        folded = wanted.casefold()
        found = [place for place, name in enumerate(names) if name.casefold() == folded]
    if len(found) == 1:
        return found[0]
    problem = "several bands" if found else "no band"
    raise MissingBand(
        f"{path} has {problem} named {wanted!r}: choose from {listed}, or by number from 1."
    )
