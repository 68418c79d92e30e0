"""The settings of random crops, which several sources have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from srlab.data.informative import Weighting
from srlab.data.symmetries import Symmetry


@dataclass(frozen=True, kw_only=True)
class Cropping:
    """How crops are drawn at random for training, and how they are varied."""

    crop_size: int | Sequence[int]
    """HR pixels a side, or of each axis."""

    valid_share: float = 0.0
    """The share of a crop's pixels that must have a value in every band; one must in any case."""

    weighting: Weighting = "none"
    """What makes a place likelier to be drawn; see `information`.

    Where a normaliser measures each file, values count in deviations of their file.
    """

    symmetries: Sequence[Symmetry] = ()
    """How crops are mirrored and turned at random, LR and HR alike; see `drawn_turn`."""

    turns_change_scale: bool = False
    """Whether quarter turns may exchange axes of different scales.

    LR is then made of HR that is turned already, and HR must look alike along both.
    """

    channel_dropout: float = 0.0
    """The chance with which each channel of LR is emptied; see `varied`."""

    intensity_jitter: float = 0.0
    """By how much the common gain of LR and HR may differ from 1; see `varied`."""
