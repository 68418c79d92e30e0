"""Checks that files are of the kind for which a model was trained."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

import numpy as np

from srlab.data import Source
from srlab.data.finding.files import find_files
from srlab.data.measuring.values import configured, files_of
from srlab.data.places.regions import evenly
from srlab.data.sources.source import OfThickSlices
from srlab.files import PathLike
from srlab.io import Reader, open_reader
from srlab.io.across import check_thickness, in_plane_last, tell_of_rounding, turned
from srlab.io.agreement import SMALLEST_RATIO, USABLE_PIXEL_RATIO, Check, Norm, reached
from srlab.io.dates import dated
from srlab.io.description import RGB_COLOURS
from srlab.io.formats import suffixes_of
from srlab.io.grey import open_as_colour
from srlab.io.guided import guided
from srlab.mistakes import Mistake
from srlab.models.card import ModelCard

log = logging.getLogger(__name__)


PROBED = 16
"""The largest number of files of a source whose values are read."""

SMALLEST_OF_MANY = SMALLEST_RATIO / 10
"""The smallest share of the expected range that a file of many may reach; some are nearly black."""


def open_input(
    card: ModelCard,
    path: PathLike,
    *,
    bands: Sequence[int | str] | None = None,
    guide: PathLike | None = None,
    guides: Sequence[int | str] | None = None,
    dates: str | None = None,
) -> Reader:
    """Open a file for a model; `bands` and `guides` are those of the model unless others are given.

    The guides are bands of the same file, or of the file `guide`. The further dates of a model of
    several lie in the folder or glob `dates`. A model of colour pictures takes a grey one as well,
    whose band is repeated.

    Raises a `Mistake` if guides or dates are given to a model without, or dates are missing.
    """
    bands = bands or card.bands
    if card.dates > 1:
        return dated(
            open_reader(path, bands=bands),
            [open_reader(other, bands=bands) for other in _told_dates(card, path, dates)],
            dates=card.dates,
        )
    if dates:
        raise Mistake("this model takes a single date: leave dates= out.")
    if card.guides:
        finer = open_reader(guide or path, bands=guides or card.guides)
        return guided(open_reader(path, bands=bands), finer, ratio=card.guide_ratio)
    if guide or guides:
        raise Mistake("this model takes no guide: leave guide= and guides= out.")
    if set(card.input_names) == set(RGB_COLOURS):
        reader = open_as_colour(path, bands=bands)
    else:
        reader = open_reader(path, bands=bands)
    tags = reader.description.tags
    if "SRLAB_GREY" in tags:
        log.info("%s is grey: its band is repeated as %s", path, ", ".join(card.input_names))
    if "SRLAB_PALETTE" in tags:
        log.info("%s has a palette: its colours are %s", path, tags["SRLAB_PALETTE"])
    return reader


def _told_dates(card: ModelCard, path: PathLike, dates: str | None) -> list[PathLike]:
    others = further_dates(card, path, dates)
    log.info("further dates: %s", ", ".join(map(str, others)) or "none")
    wanted = card.dates - 1
    if len(others) < wanted:
        log.warning("%d dates are missing, and show the input", wanted - len(others))
    return others


def further_dates(card: ModelCard, path: PathLike, dates: str | None) -> list[PathLike]:
    """Return the latest files of a folder or glob, by their names, without the input itself."""
    wanted = card.dates - 1
    if dates is None:
        raise Mistake(
            f"this model takes {card.dates} dates: name a folder or glob that holds the other "
            f"{wanted} by dates=."
        )
    found = find_files(dates, suffixes_of("reader"), key="dates")
    others = [each for each in found if os.path.realpath(each) != os.path.realpath(path)]
    return sorted(others, key=os.path.basename, reverse=True)[:wanted]


def refuse_stranger(card: ModelCard, reader: Reader, *, force: Collection[Check] = ()) -> None:
    """Raise a `Mistake` if a file is not of the kind on which a model was trained.

    Its axes, bands, pixel sizes, stored types and values are compared; `force` leaves checks out.
    If the normaliser measures each scene, the unit of the values is arbitrary and not compared.

    A model of uneven scale also accepts pixels of the size of its LR in training. For example, one
    of ``(3, 1, 1)`` that was trained on voxels of 1 mm accepts slices of 3 mm. Pixels that are less
    than twice as coarse or as fine only cause a warning.
    """
    norm = replace(_input_norm(card, reader, force), pixel_ratio=USABLE_PIXEL_RATIO)
    _check_header(card, norm, reader)
    if card.across:
        check_thickness(
            str(reader), reader.description, card.across, card.scale[0],
            advice="choose a model for this distance of slices",
            force=force,
        )  # fmt: skip
        tell_of_rounding(str(reader), reader.description, card.across, card.scale[0])
    _warn_of_names(norm, reader)
    if card.scope != "scene":
        norm.check_values(str(reader), reader.description.names, reached(reader))


def refuse_strange_source(
    card: ModelCard, source: Source, *, force: Collection[Check] = ()
) -> None:
    """Raise a `Mistake` if a file of a source to score is not of the kind of a model's.

    The headers of all files are compared, and the values of at most `PROBED` of them, which must
    also be in the configured unit. A model for thick slices is scored on volumes of thin slices,
    unless the source gives planes.
    """
    norm, readers = norm_of(card, force), files_of(source)
    thin = bool(card.across) and not isinstance(source, OfThickSlices)
    for reader in readers:
        _check_header(card, norm, reader)
        if thin:
            check_thickness(
                str(reader), reader.description, card.across, 1,
                advice="give volumes of thin slices, or score planes by data=self_thick_slices",
                force=force,
            )  # fmt: skip
    _warn_of_names(norm, readers[0])
    if card.scope == "scene":
        return
    names = source.channel_names
    probed: dict[str, tuple[float, ...]] = {}
    for place in evenly(len(readers), min(len(readers), PROBED)):
        try:
            probed[str(readers[place])] = reached(readers[place])
        except Mistake:  # a damaged file is left out when it is scored
            continue
    for wanted in (norm, configured(source, force)):
        for file, values in probed.items():
            wanted.check_values(file, names, values, smallest=SMALLEST_OF_MANY)
        if probed:
            brightest = max(probed, key=lambda file: np.nan_to_num(probed[file]).max())
            wanted.check_values(brightest, names, probed[brightest])


def norm_of(card: ModelCard, force: Collection[Check] = ()) -> Norm:
    """Return the kind of file on which a model was trained, as a norm to check files by."""
    highest: Iterable[float] = ()
    if card.scope != "scene":
        highest = (max(map(abs, limits)) for limits in card.training_range)
    return Norm(
        whose="the model was trained on",
        names=card.input_names,
        axes=card.axes,
        highest=tuple(highest),
        unit=card.unit,
        advice={
            "band_names": f"choose the bands by name, in the order {', '.join(card.input_names)}",
            "pixel_size": "choose a model for this resolution",
            "dtype": "bring the values to that unit",
            "value_range": "bring the values to that unit",
        },
        force=force,
    )


def _input_norm(card: ModelCard, reader: Reader, force: Collection[Check]) -> Norm:
    """Return the norm of a model's training files, or of its LR if a file has LR's pixel size."""
    norm = norm_of(card, force)
    if card.across or len(set(card.scale)) == 1:
        return norm
    lr = [
        replace(axis, spacing=axis.spacing and axis.spacing * factor)
        for axis, factor in zip(card.axes, card.scale, strict=True)
    ]
    coarse = replace(norm, axes=tuple(lr))
    return norm if coarse.has_other_pixels(reader.description.axes) else coarse


def _check_header(card: ModelCard, norm: Norm, reader: Reader) -> None:
    description = reader.description
    if len(description.axes) < card.spatial_dims:
        raise Mistake(
            f"{reader} has {len(description.axes)} axes; the model takes {card.spatial_dims}."
        )
    names, wanted = description.names, card.input_names
    if len(names) != len(wanted):
        raise Mistake(
            f"{reader} has {len(names)} bands ({', '.join(names)}) and the model takes "
            f"{len(wanted)} ({', '.join(wanted)}); choose bands= to match."
        )
    if card.across:
        order = in_plane_last(str(reader), description, card.across)
        description = turned(description, order)
    norm.check(str(reader), description)


def _warn_of_names(norm: Norm, reader: Reader) -> None:
    names = reader.description.names
    if norm.has_other_names(names):
        got, wanted = ", ".join(names), ", ".join(norm.names)
        log.warning("%s has the bands %s, taken for %s by their order", reader, got, wanted)
