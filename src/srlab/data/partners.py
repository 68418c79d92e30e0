"""Which LR file belongs to which HR file."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence

from srlab.files import PathLike
from srlab.io.formats import ending
from srlab.mistakes import Mistake

log = logging.getLogger(__name__)

PLACE = "{name}"
"""What stands for the common part of two files' names."""

SHOWN = 10
"""Names without a partner that a message lists."""


def partners(
    lr: Sequence[PathLike],
    hr: Sequence[PathLike],
    *,
    lr_name: str,
    hr_name: str,
    suffixes: Sequence[str],
) -> list[tuple[PathLike, PathLike]]:
    """Return pairs of LR and HR files, sorted by their common names.

    A pattern such as ``{name}x4`` says where the common part of a file's name stands; endings do
    not count. Files without a partner are left out, and listed in a warning.

    Raises a `Mistake` if a pattern has no ``{name}``, two files have one name, or there is no pair.
    """
    named_lr = _by_name(lr, lr_name, suffixes, key="data.lr_name")
    named_hr = _by_name(hr, hr_name, suffixes, key="data.hr_name")
    both = sorted(named_lr.keys() & named_hr.keys())
    if not both:
        raise Mistake(
            f"no LR file belongs to an HR file: by data.lr_name={lr_name} there are "
            f"{_listed(sorted(named_lr))}, and by data.hr_name={hr_name} there are "
            f"{_listed(sorted(named_hr))}."
        )
    _warn("LR", lr, {named_lr[name] for name in both})
    _warn("HR", hr, {named_hr[name] for name in both})
    return [(named_lr[name], named_hr[name]) for name in both]


def _by_name(
    files: Sequence[PathLike], pattern: str, suffixes: Sequence[str], *, key: str
) -> Mapping[str, PathLike]:
    before, place, after = pattern.partition(PLACE)
    if not place:
        raise Mistake(f"{key} is {pattern!r}; it must hold {PLACE}, as in {PLACE}x4.")
    found: dict[str, PathLike] = {}
    for file in files:
        stem = _stem(file, suffixes)
        name = stem.removeprefix(before).removesuffix(after)
        if before + name + after != stem:
            continue
        if name in found:
            raise Mistake(
                f"{found[name]} and {file} both have the name {name!r} by {key}={pattern}; "
                "remove one."
            )
        found[name] = file
    return found


def _stem(file: PathLike, suffixes: Sequence[str]) -> str:
    """Return a file's name without its folder and its ending."""
    name = os.path.basename(file)
    known = ending(name, suffixes)
    if known is None:
        return os.path.splitext(name)[0]
    return name[: len(name) - len(known)]


def _warn(kind: str, files: Sequence[PathLike], used: set[PathLike]) -> None:
    alone = [os.path.basename(file) for file in files if file not in used]
    if alone:
        log.warning("%d %s files have no partner: %s", len(alone), kind, _listed(alone))


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:SHOWN]) or "none"
    rest = len(names) - SHOWN
    return f"{shown} and {rest} more" if rest > 0 else shown
