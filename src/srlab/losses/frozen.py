"""A network that is used and never trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from torch import Tensor, nn


class Frozen(nn.Module):
    """Runs a network as it is: in evaluation mode, without trainable parameters.

    The network keeps its own precision. It moves with its parent to a device or type. Otherwise it
    is invisible: to checkpoints, optimisers, EMA, distributed strategies and ``train()``. The
    network is taken over, not copied.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        # In a tuple, so that torch does not see a child.
        self._hidden = (network.eval().requires_grad_(False),)

    @property
    def network(self) -> nn.Module:
        """The network itself."""
        return self._hidden[0]

    def forward(self, *images: Tensor) -> Any:
        """Return the network's output for the images, which are cast to its parameters' type."""
        first = next(self.network.parameters(), None)
        if first is not None:
            return self.network(*(image.to(first.dtype) for image in images))
        return self.network(*images)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Move the network, too: torch's ways to another device or type all lead through here."""
        self.network._apply(fn, recurse)  # type: ignore[no-untyped-call]  # torch's is untyped
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self
