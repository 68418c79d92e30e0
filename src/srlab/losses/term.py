"""The interface of loss terms."""

from __future__ import annotations

from typing import Literal, Protocol

from torch import Tensor, nn

from srlab.losses.context import Context

Space = Literal["network", "physical"]


class Term(Protocol):
    """A measure of the difference between SR and HR, which training makes small.

    It returns a scalar, or a map ``(B, C, *S)``, which is averaged over valid pixels. It gets both
    images in the network's range, or in physical units if it declares ``space = "physical"``.
    """

    def __call__(self, sr: Tensor, hr: Tensor, context: Context) -> Tensor:
        """Compare SR with HR, both ``(B, C, *S)``; hidden pixels are zero in both."""


def space_of(term: nn.Module) -> Space:
    """Return the space that a term declares, or "network" if it declares none."""
    space: Space = getattr(term, "space", "network")
    return space
