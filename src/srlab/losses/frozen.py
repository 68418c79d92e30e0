"""A network that is used and never trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from torch import Tensor, nn


class Frozen(nn.Module):
    """Runs a network as it is: in evaluation mode, without trainable parameters, and in its own precision.

    It moves with its parent to a device or type, and is otherwise invisible: to checkpoints, optimisers, EMA and
    distributed strategies, and to ``train()``. The network is taken over, not copied.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        # in a tuple, so that torch does not see a child
        self._hidden = (network.eval().requires_grad_(False),)

    @property
    def network(self) -> nn.Module:
        """The network itself."""
        return self._hidden[0]

    def forward(self, *images: Tensor) -> Any:
        """Return what the network makes of the images, which are cast to its parameters' type."""
        dtype = next((parameter.dtype for parameter in self.network.parameters()), None)
        return self.network(*(image if dtype is None else image.to(dtype) for image in images))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Move the network, too: all of torch's ways to another device or type lead through here."""
        self.network._apply(fn, recurse)  # type: ignore[no-untyped-call]
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self
