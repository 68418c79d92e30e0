"""The contract of a loss term."""

from __future__ import annotations

from typing import Literal, Protocol

from torch import Tensor, nn

from srlab.losses.context import Context

Space = Literal["network", "physical"]


class Term(Protocol):
    """A loss term.

    It returns a scalar, or a map ``(B, C, *S)`` that is averaged over valid pixels. It sees both
    images in the network's range, or in physical units if it declares ``space = "physical"``.
    """

    def __call__(self, sr: Tensor, hr: Tensor, context: Context) -> Tensor:
        """Compare SR with HR, both ``(B, C, *S)`` and equal wherever pixels are hidden."""


def space_of(term: nn.Module) -> Space:
    """The space that a term declares; the network's if it declares none."""
    space: Space = getattr(term, "space", "network")
    return space
