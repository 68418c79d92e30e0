"""Checks that files are of the kind for which a model was trained."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Sequence
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
"""The most files of a source whose values are read."""

SMALLEST_OF_MANY = SMALLEST_RATIO / 10
"""The smallest share of the expected range that one of many files must reach.

It is below that for a single file, since some of many pictures are nearly black.
"""


def open_input(
    card: ModelCard,
    path: PathLike,
    *,
    bands: Sequence[int | str] | None = None,
    guide: PathLike | None = None,
    guides: Sequence[int | str] | None = None,
    dates: str | None = None,
) -> Reader:
    """Open a file as the input of a model.

    `bands` and `guides` choose channels by number or name; None: those in the model card. The
    guides are read from the file `guide`, or from `path` itself. A model of several dates finds the
    other dates in the folder or glob `dates`. A model of colour pictures also accepts a grey
    picture, whose band is repeated.

    Raises a `Mistake` if guides or dates are given to a model that takes none, or if `dates` is
    missing.
    """
    bands = bands or card.bands
    if card.dates > 1:
        others = _logged_dates(card, path, dates)
        further = [open_reader(other, bands=bands) for other in others]
        return dated(open_reader(path, bands=bands), further, dates=card.dates)
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


def _logged_dates(card: ModelCard, path: PathLike, dates: str | None) -> list[PathLike]:
    """Return the files of the further dates, and log which they are and how many are missing."""
    others = further_dates(card, path, dates)
    log.info("further dates: %s", ", ".join(map(str, others)) or "none")
    wanted = card.dates - 1
    if len(others) < wanted:
        log.warning("%d dates are missing: the input is used in their place", wanted - len(others))
    return others


def further_dates(card: ModelCard, path: PathLike, dates: str | None) -> list[PathLike]:
    """Return the files of the dates that a model takes beside the input, the latest first.

    The files of the folder or glob `dates` are sorted by name, which is expected to begin with the
    date. The input itself is not among the result.
    """
    wanted = card.dates - 1
    if dates is None:
        raise Mistake(
            f"this model takes {card.dates} dates: give the folder or glob of the other {wanted} "
            "by dates=."
        )
    found = find_files(dates, suffixes_of("reader"), key="dates")
    others = [each for each in found if os.path.realpath(each) != os.path.realpath(path)]
    return sorted(others, key=os.path.basename, reverse=True)[:wanted]


def refuse_stranger(card: ModelCard, reader: Reader, *, force: Collection[Check] = ()) -> None:
    """Raise a `Mistake` if a file is not of the kind on which a model was trained.

    Its axes, bands, pixel sizes, stored types and values are compared. `force` names checks to
    skip. Values are not compared if the normaliser measures each scene, since their unit is then
    arbitrary. Pixels that are less than twice as coarse or as fine only cause a warning.

    If the scale differs between axes, the pixel size of the LR in training is accepted, too. For
    example, a model of scale ``(3, 1, 1)`` was trained on voxels of 1 mm, which were degraded to
    slices of 3 mm. It accepts both.
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
    """Raise a `Mistake` if a file of `source` is not of the kind on which a model was trained.

    The source holds the HR images on which the model is to be scored. The headers of all its files
    are compared, but the values of at most `PROBED` files. These must also be in the configured
    unit. A model for thick slices is scored on volumes of thin slices, or on a source that makes
    planes out of volumes itself.
    """
    norm = norm_of(card, force)
    readers = files_of(source)
    needs_thin_slices = bool(card.across) and not isinstance(source, OfThickSlices)
    for reader in readers:
        _check_header(card, norm, reader)
        if needs_thin_slices:
            check_thickness(
                str(reader), reader.description, card.across, 1,
                advice="give volumes of thin slices, or score planes by data=self_thick_slices",
                force=force,
            )  # fmt: skip
    _warn_of_names(norm, readers[0])
    if card.scope != "scene":
        _check_values([norm, configured(source, force)], source.channel_names, readers)


def _check_values(norms: Sequence[Norm], names: tuple[str, ...], readers: Sequence[Reader]) -> None:
    """Raise a `Mistake` if the values of files that are spread over a source break a norm.

    The brightest of them must reach the range that is expected of a single file.
    """
    probed: dict[str, tuple[float, ...]] = {}
    for place in evenly(len(readers), min(len(readers), PROBED)):
        try:
            probed[str(readers[place])] = reached(readers[place])
        except Mistake:  # scoring leaves a damaged file out, and names it
            continue
    if not probed:
        return
    brightest = max(probed, key=lambda file: np.nan_to_num(probed[file]).max())
    for norm in norms:
        for file, values in probed.items():
            norm.check_values(file, names, values, smallest=SMALLEST_OF_MANY)
        norm.check_values(brightest, names, probed[brightest])


def norm_of(card: ModelCard, force: Collection[Check] = ()) -> Norm:
    """Return the norm of a model: the kind of file on which it was trained."""
    highest: list[float] = []
    if card.scope != "scene":
        highest = [max(abs(low), abs(high)) for low, high in card.training_range]
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
    """Return the norm of a model, with the pixel size of its LR in training if the file has that.

    Only a model whose scale differs between axes may have been made for the pixel size of its LR.
    """
    norm = norm_of(card, force)
    if card.across or len(set(card.scale)) == 1:
        return norm
    lr_axes = [
        replace(axis, spacing=axis.spacing and axis.spacing * factor)
        for axis, factor in zip(card.axes, card.scale, strict=True)
    ]
    lr_norm = replace(norm, axes=tuple(lr_axes))
    if lr_norm.has_other_pixels(reader.description.axes):
        return norm
    return lr_norm


def _check_header(card: ModelCard, norm: Norm, reader: Reader) -> None:
    """Raise a `Mistake` if the axes, the number of bands or the pixel size of a file do not fit."""
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
    """Warn if a file's bands have other names than those that the model was trained on."""
    names = reader.description.names
    if norm.has_other_names(names):
        got, wanted = ", ".join(names), ", ".join(norm.names)
        log.warning("%s has the bands %s, taken for %s by their order", reader, got, wanted)
