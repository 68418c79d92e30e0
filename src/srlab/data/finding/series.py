"""Grouping of files by place and date, as their names tell them."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping, Sequence

from srlab.data.finding.partners import listed, stem
from srlab.files import PathLike, file_and_image
from srlab.mistakes import Mistake

log = logging.getLogger(__name__)

PLACE, DATE = "{place}", "{date}"


def by_place(
    paths: Sequence[PathLike], pattern: str, suffixes: Sequence[str]
) -> list[list[PathLike]]:
    """Return the files of each place, the latest date first.

    A pattern such as ``{place}/{date}`` matches the end of a path without its ending. ``*`` stands
    for any characters of a name. Without ``{place}``, all files show one place. Dates are sorted
    as text, so they must be written like ``2024-05-31`` or ``20240531``. Files that do not match
    are left out, and listed in a warning.

    Raises a `Mistake` if the pattern has no ``{date}``, no file fits, or two files have one date.
    """
    if DATE not in pattern:
        raise Mistake(f"data.name is {pattern!r}; it must hold {DATE}, as in {PLACE}/{DATE}.")
    expression = _expression(pattern)
    places: dict[str, dict[str, PathLike]] = {}
    other = []
    for path in paths:
        match = expression.search(_without_ending(path, suffixes))
        if not match:
            other.append(os.path.basename(path))
            continue
        parts = match.groupdict()
        date, dates = parts["date"], places.setdefault(parts.get("place", ""), {})
        if date in dates:
            raise Mistake(
                f"{dates[date]} and {path} are both of the date {date!r} by data.name={pattern}; "
                f"remove one, or tell places apart by {PLACE}."
            )
        dates[date] = path
    if not places:
        raise Mistake(f"no file has a name like data.name={pattern}; there are {listed(other)}.")
    if other:
        log.warning("%d files have another name than %s: %s", len(other), pattern, listed(other))
    return [_latest_first(dates) for dates in places.values()]


def _latest_first(dates: Mapping[str, PathLike]) -> list[PathLike]:
    return [dates[date] for date in sorted(dates, reverse=True)]


def _expression(pattern: str) -> re.Pattern[str]:
    """Translate a pattern into a regular expression with the groups ``place`` and ``date``."""
    escaped = re.escape(pattern).replace(re.escape("*"), "[^/]*?")
    for word in ("place", "date"):
        escaped = escaped.replace(re.escape(f"{{{word}}}"), f"(?P<{word}>[^/]+?)", 1)
    return re.compile(f"(?:^|/){escaped}$")


def _without_ending(path: PathLike, suffixes: Sequence[str]) -> str:
    folder = os.path.dirname(file_and_image(path)[0])
    return f"{folder}/{stem(path, suffixes)}".replace(os.sep, "/")
