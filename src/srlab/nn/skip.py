"""The connection from a generator's input to its output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from torch import Tensor, nn

from srlab.mistakes import Mistake
from srlab.nn.dims import Conv
from srlab.nn.resample import Interpolation, check_interpolation, enlarge

Skip = Literal["none"] | Interpolation


class InputSkip(nn.Module):
    """The interpolated LR input, added to the output of a zero-initialised tail.

    An untrained network is then the interpolation, and learns the difference from it. A skip of
    ``"none"`` adds nothing and leaves the tail as it is. `channels` are the input channels, from 1,
    that the output channels correspond to; None takes all. They are needed where the input has more
    channels than the output, for example a guide.
    """

    def __init__(
        self,
        skip: Skip,
        tail: Conv,
        scale: Sequence[int],
        *,
        in_channels: int,
        channels: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        kinds = ("none", *get_args(Interpolation))
        if skip not in kinds:
            raise Mistake(f"skip is {skip!r}; it must be one of {', '.join(kinds)}.")
        every = list(range(1, in_channels + 1))
        numbers = every if channels is None else list(channels)
        if skip != "none" and (len(numbers) != tail.out_channels or not set(numbers) <= set(every)):
            raise Mistake(
                f"skip={skip!r} adds input channels {numbers} of {in_channels} to "
                f"{tail.out_channels} output channels; name one input channel for each output "
                "channel by skip_channels=, or use skip=none."
            )
        self.kind = skip
        self.scale = tuple(scale)
        self.takes_all = numbers == every
        self.indices = [number - 1 for number in numbers]
        self.seen_channels = 0 if skip == "none" else in_channels
        if skip != "none":
            for parameter in tail.parameters():
                nn.init.zeros_(parameter)

    def forward(self, residual: Tensor, lr: Tensor) -> Tensor:
        """SR ``(B, C', *S·scale)`` from the tail's output and the LR input ``(B, C, *S)``."""
        added = self.added(lr)
        return residual if added is None else residual + added

    def added(self, lr: Tensor) -> Tensor | None:
        """Return what is added to the tail's output, or None if nothing is."""
        if self.kind == "none":
            return None
        if not self.takes_all:
            lr = lr[:, self.indices]
        return enlarge(lr, self.scale, self.kind)


def check_whole_skip(
    skip: Interpolation, *, generator: str, in_channels: int, out_channels: int
) -> Interpolation:
    """Return the interpolation of a generator that always adds its whole input to its output."""
    if in_channels != out_channels:
        raise Mistake(
            f"{generator} adds its input to its output, but there are {in_channels} input and "
            f"{out_channels} output channels; choose another generator."
        )
    return check_interpolation(skip, argument="skip")
