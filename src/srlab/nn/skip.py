"""The connection from a generator's input to its output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from srlab.nn.resample import enlarge

Skip = Literal["none", "cubic"]


class InputSkip(nn.Module):
    """Add the interpolated LR input to the output of a zero-initialised tail.

    With ``"cubic"`` an untrained network is bicubic interpolation, and learns what that lacks; ``"none"`` adds
    nothing and leaves the tail as it is.
    """

    def __init__(self, skip: Skip, *, tail: nn.Module, scale: Sequence[int], channels: tuple[int, int]) -> None:
        super().__init__()
        if skip not in ("none", "cubic"):
            raise ValueError(f"skip is {skip!r}; it must be 'none' or 'cubic'.")
        if skip == "cubic" and channels[0] != channels[1]:
            raise ValueError(
                f"skip='cubic' adds the input to the output, but there are {channels[0]} input and {channels[1]} "
                "output channels; use skip='none'."
            )
        self.skip = skip
        self.scale = tuple(scale)
        if skip == "cubic":
            for parameter in tail.parameters():
                nn.init.zeros_(parameter)

    def forward(self, residual: Tensor, lr: Tensor) -> Tensor:
        """SR ``(B, C, *S·scale)`` from the tail's output and the LR input ``(B, C, *S)``."""
        return residual if self.skip == "none" else residual + enlarge(lr, self.scale)
