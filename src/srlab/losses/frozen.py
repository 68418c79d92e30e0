"""A network that a loss uses and never trains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from torch import Tensor, nn


class Frozen(nn.Module):
    """Runs a network in evaluation mode, without trainable parameters.

    The network moves with this module to another device or type, and otherwise keeps its own
    precision. It is not a child module. So checkpoints, optimisers, EMA, distributed strategies
    and ``train()`` do not see it. The given network itself is changed and used, not a copy.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        # A module inside a tuple does not become a child module.
        self._hidden = (network.eval().requires_grad_(False),)

    @property
    def network(self) -> nn.Module:
        """The frozen network."""
        return self._hidden[0]

    def forward(self, *images: Tensor) -> Any:
        """Return the network's output for the images, cast to the type of its parameters."""
        first = next(self.network.parameters(), None)
        if first is None:
            return self.network(*images)
        cast = [image.to(first.dtype) for image in images]
        return self.network(*cast)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Move the network as well; ``to``, ``cuda``, ``half`` and the like call this method."""
        self.network._apply(fn, recurse)  # type: ignore[no-untyped-call]  # torch's is untyped
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self
