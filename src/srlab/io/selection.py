"""The choice of a file's channels by number or by name."""

from __future__ import annotations

from collections.abc import Sequence

from srlab.mistakes import MissingBand, Mistake


def chosen(
    names: Sequence[str], wanted: Sequence[int | str] | None, path: object
) -> tuple[int, ...]:
    """Return the indices, from 0, of the `wanted` channels, in the order of `wanted`.

    An entry of `wanted` is a number from 1 or one of `names`, whose case is ignored if need be.
    None chooses all channels.

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
            numbers = f"its bands are 1 to {len(names)}, named"
            if len(names) == 1:
                numbers = "its only band is 1, named"
            raise MissingBand(f"{path} has no band {wanted}: {numbers} {listed}.")
        return wanted - 1
    matches = [index for index, name in enumerate(names) if name == wanted]
    if not matches:
        folded = wanted.casefold()
        matches = [index for index, name in enumerate(names) if name.casefold() == folded]
    if len(matches) == 1:
        return matches[0]
    problem = "several bands" if matches else "no band"
    raise MissingBand(
        f"{path} has {problem} named {wanted!r}: choose from {listed}, or by number from 1."
    )
