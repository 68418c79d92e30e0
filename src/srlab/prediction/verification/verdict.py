"""The result of a verification, and whether the output may stand."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isinf, log10

from srlab.axes import Window
from srlab.files import PathLike
from srlab.mistakes import Mistake

ROUNDED = 1 / 20
"""The share of values that another machine may round otherwise; measured ones are far below."""


@dataclass(frozen=True)
class Verdict:
    """The result of comparing blocks of an output with the same blocks computed anew."""

    blocks: int
    of_blocks: int
    values: int
    differing: int

    largest: float
    """The largest difference in steps: of integers their own, of floats 1e-4 of the largest."""

    first: Window | None = None
    """The first window in which values differ."""

    unit: str = "blocks"
    """What is counted: blocks, or the segments of a video."""

    lossy: bool = False
    """Whether blocks were encoded as the file was, before they were compared."""

    apart: float = 0.0
    """The mean square difference from what was encoded anew, in ranges of the type."""

    loss: float = 0.0
    """The mean square difference that encoding anew makes, in ranges of the type."""

    elsewhere: tuple[str, ...] = ()
    """Where the machine that made the output differs from this one, such as its device."""

    @property
    def stands(self) -> bool:
        """Whether the output is what the model makes of the input.

        Another machine may round differently. An encoder may then decide differently, too. Two
        encodings of one picture, whose errors are independent, differ by twice the error of each.
        """
        if not self.differing:
            return True
        if not self.elsewhere:
            return False
        if self.lossy:
            return self.apart <= 2 * self.loss
        return self.largest <= 1 and self.differing < ROUNDED * self.values

    def check(self, output: PathLike) -> None:
        """Raise a `Mistake` unless the output stands."""
        if self.stands:
            return
        place = [f"{span.start}:{span.stop}" for span in self.first or ()]
        by = f"by {self.largest:.3g} at most"
        if isinf(self.largest):
            by = "some of which hold no data in one of the two alone"
        encoded = ""
        if self.lossy:
            encoded = f", and {_decibels(self.apart)} lie between it and what is encoded anew"
        raise Mistake(
            f"{output} is not what this model makes of this input: {self.differing} of "
            f"{self.values} values differ, {by}, first in the block "
            f"[{', '.join(place)}]{encoded}."
        )

    def __str__(self) -> str:
        """Return what was found in words."""
        text = f"{self.blocks} of {self.of_blocks} {self.unit} computed anew"
        if self.lossy:
            text += " and encoded as the file was"
        if not self.differing:
            return f"{text}: all {self.values} values are equal"
        where = ", ".join(self.elsewhere)
        if self.lossy:
            return (
                f"{text}: within the codec's loss, at {_decibels(self.apart)} where that is "
                f"{_decibels(self.loss)}, as on another machine ({where})"
            )
        return (
            f"{text}: {self.differing} of {self.values} values differ by {self.largest:.3g} at "
            f"most, as rounding does on another machine ({where})"
        )


def _decibels(mean_square: float) -> str:
    """Return a mean square difference as a peak signal-to-noise ratio."""
    ratio = -10 * log10(mean_square) if mean_square else inf
    return f"{ratio:.1f} dB"
