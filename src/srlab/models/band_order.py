"""A warning of bands that are taken by their order from a file of another kind than in training."""

from __future__ import annotations

import logging
from collections.abc import Collection

import numpy as np

from srlab.files import PathLike
from srlab.io import Reader, open_reader
from srlab.io.agreement import Check, reached
from srlab.models.card import ModelCard

log = logging.getLogger(__name__)

SIMILAR = 2.0
"""The factor up to which values may exceed those of training without a remark."""

EIGHT_BITS = "8-bit value"
"""The unit of the values of files of 8 bits."""


def warn_of_order(
    card: ModelCard, path: PathLike, reader: Reader, *, force: Collection[Check] = ()
) -> None:
    """Warn if the first bands of more are taken, and their type or values are not as in training.

    `reader` reads the bands of the model. They are taken by their order if the card has numbers for
    them. `force` leaves out the comparison of types or of values.
    """
    count = len(card.bands)
    if card.scope == "scene" or any(isinstance(band, str) for band in card.bands):
        return
    offered = [each for each in open_reader(path).description.channels if each.colour != "alpha"]
    if len(offered) <= count:
        return
    trained = max(np.abs(limits).max() for limits in card.training_range[:count])
    highest = max(np.nan_to_num(reached(reader)[:count]))
    dtype = reader.description.channels[0].dtype
    checks: dict[Check, bool] = {
        "dtype": card.unit == EIGHT_BITS and dtype != np.uint8,
        "value_range": highest > SIMILAR * trained,
    }
    apart = [check for check, differs in checks.items() if differs and check not in force]
    if apart:
        log.warning(
            "%s: bands %s of %d are taken for %s by their order, and reach %.4g (%s; in training "
            "%.4g, %s): choose others by bands=, or say by force=[%s] that these are meant",
            path, ", ".join(map(str, card.bands)), len(offered), ", ".join(card.input_names),
            highest, dtype, trained, card.unit or "unknown unit", ",".join(apart),
        )  # fmt: skip
