"""Which files show one place on which dates."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence

from srlab.data.partners import listed, stem
from srlab.files import PathLike, file_and_image
from srlab.mistakes import Mistake

log = logging.getLogger(__name__)

PLACE, DATE = "{place}", "{date}"


def by_place(
    paths: Sequence[PathLike], pattern: str, suffixes: Sequence[str]
) -> list[list[PathLike]]:
    """Return the files of each place, the latest date first.

    A pattern such as ``{place}/{date}`` says where the two stand at the end of a path. Endings do
    not count, and ``*`` stands for anything in a name. Dates are in the order of their characters,
    as ``2024-05-31`` or ``20240531`` are. Without ``{place}`` all files show one place. Files of
    another name are left out, and listed in a warning.

    Raises a `Mistake` if the pattern has no ``{date}``, no file fits, or two are of one date.
    """
    if DATE not in pattern:
        raise Mistake(f"data.name is {pattern!r}; it must hold {DATE}, as in {PLACE}/{DATE}.")
    expression = _expression(pattern)
    places: dict[str, dict[str, PathLike]] = {}
    other = []
    for path in paths:
        found = expression.search(_without_ending(path, suffixes))
        if not found:
            other.append(os.path.basename(path))
            continue
        named = found.groupdict()
        dates = places.setdefault(named.get("place", ""), {})
        if named["date"] in dates:
            raise Mistake(
                f"{dates[named['date']]} and {path} are both of the date {named['date']!r} by "
                f"data.name={pattern}; remove one, or tell places apart by {PLACE}."
            )
        dates[named["date"]] = path
    if not places:
        raise Mistake(f"no file has a name like data.name={pattern}; there are {listed(other)}.")
    if other:
        log.warning("%d files have another name than %s: %s", len(other), pattern, listed(other))
    return [[dates[date] for date in sorted(dates, reverse=True)] for dates in places.values()]


def _expression(pattern: str) -> re.Pattern[str]:
    escaped = re.escape(pattern).replace(re.escape("*"), "[^/]*?")
    for word in ("place", "date"):
        escaped = escaped.replace(re.escape(f"{{{word}}}"), f"(?P<{word}>[^/]+?)", 1)
    return re.compile(f"(?:^|/){escaped}$")


def _without_ending(path: PathLike, suffixes: Sequence[str]) -> str:
    folder = os.path.dirname(file_and_image(path)[0])
    return f"{folder}/{stem(path, suffixes)}".replace(os.sep, "/")
