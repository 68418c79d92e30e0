"""Cropping: the settings of random training crops, the same for all sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from srlab.data.places.informative import Weighting
from srlab.data.places.symmetries import Symmetry


@dataclass(frozen=True, kw_only=True)
class Cropping:
    """How crops are drawn at random for training, and how they are varied."""

    crop_size: int | Sequence[int]
    """HR pixels along each side; one number, or one for each axis."""

    valid_share: float = 0.0
    """The share of a crop's pixels that must have a value in every band; at least one always must.

    From 0 to 1.
    """

    weighting: Weighting = "none"
    """The measure that makes a place more likely to be drawn; see `information`.

    Where a normaliser measures each file, values are divided by the standard deviations of their
    file first.
    """

    symmetries: Sequence[Symmetry] = ()
    """The random flips and turns of crops, the same for LR and HR; see `drawn_turn`."""

    turns_change_scale: bool = False
    """Whether quarter turns may exchange axes of different scales.

    LR is then made from HR that is already turned, and HR must look alike along both axes.
    """

    channel_dropout: float = 0.0
    """The probability with which each channel of LR is set to zero; see `varied`."""

    intensity_jitter: float = 0.0
    """The largest change of the common gain of LR and HR, from 0 to 1; see `varied`."""
