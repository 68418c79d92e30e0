"""The connection from a generator's input to its output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from torch import Tensor, nn

from srlab.mistakes import Mistake
from srlab.nn.resample import Interpolation, enlarge

Skip = Literal["none"] | Interpolation


class InputSkip(nn.Module):
    """Add the interpolated LR input to the output of a zero-initialised tail.

    An untrained network is then the interpolation, and learns what that lacks; ``"none"`` adds nothing and leaves the
    tail as it is. `channels` are the input channels, from 1, that the output channels correspond to, where the input
    has more than the output, as with a guide; None takes all.
    """

    def __init__(
        self,
        skip: Skip,
        *,
        tail: nn.Module,
        scale: Sequence[int],
        in_channels: int,
        out_channels: int,
        channels: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        kinds = ("none", *get_args(Interpolation))
        if skip not in kinds:
            raise Mistake(f"skip is {skip!r}; it must be one of {', '.join(kinds)}.")
        numbers = list(channels) if channels is not None else list(range(1, in_channels + 1))
        if skip != "none" and (
            len(numbers) != out_channels or not all(1 <= n <= in_channels for n in numbers)
        ):
            raise Mistake(
                f"skip={skip!r} adds input channels {numbers} of {in_channels} to {out_channels} output channels; name "
                "one input channel for each output channel by skip_channels=, or use skip=none."
            )
        self.kind = skip
        self.scale = tuple(scale)
        self.indices = [number - 1 for number in numbers]
        self.all = self.indices == list(range(in_channels))
        if skip != "none":
            for parameter in tail.parameters():
                nn.init.zeros_(parameter)

    def forward(self, residual: Tensor, lr: Tensor) -> Tensor:
        """SR ``(B, C', *S·scale)`` from the tail's output and the LR input ``(B, C, *S)``."""
        if self.kind == "none":
            return residual
        return residual + enlarge(lr if self.all else lr[:, self.indices], self.scale, self.kind)
