"""Bounds on the gradients of an update.

They apply after the guard has judged the gradients, so they never hide one that is not finite.
None of them waits for the device.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_value_, clip_grads_with_norm_

from srlab.mistakes import Mistake


class Clip(Protocol):
    """Changes gradients in place."""

    def __call__(self, parameters: Sequence[nn.Parameter], norm: Tensor) -> None:
        """Clip the gradients of those `parameters` that have one.

        `norm` is the L2 norm of all gradients together, a scalar on their device.
        """
        ...


class ClipNorm:
    """Scales all gradients by ``min(1, max_norm / norm)`` (Pascanu et al. 2013, alg. 1).

    The direction of the update stays the same.
    """

    def __init__(self, *, max_norm: float) -> None:
        self.max_norm = _positive("max_norm", max_norm)

    def __call__(self, parameters: Sequence[nn.Parameter], norm: Tensor) -> None:
        """Scale the gradients."""
        clip_grads_with_norm_(parameters, self.max_norm, norm)


class ClipValue:
    """Clamps each entry of each gradient to ``[-max_value, max_value]``."""

    def __init__(self, *, max_value: float) -> None:
        self.max_value = _positive("max_value", max_value)

    def __call__(self, parameters: Sequence[nn.Parameter], norm: Tensor) -> None:
        """Clamp the gradients."""
        clip_grad_value_(parameters, self.max_value)


class ClipAdaptive:
    """Bounds the gradient of each unit by its own weights (AGC; Brock et al. 2021, eq. 3).

    With G the gradient of a unit and W its weights, G is scaled by
    ``min(1, factor · max(‖W‖, eps) / ‖G‖)``. `eps` lets weights of zero learn.

    A unit is a slice of the first axis: an output channel of a linear or convolutional layer, an
    input channel of a transposed one. A parameter with a single axis, such as a bias, is one unit.
    The paper leaves out the last linear layer. Networks for images have none, so all layers are
    clipped here.
    """

    def __init__(self, *, factor: float, eps: float) -> None:
        self.factor = _positive("factor", factor)
        self.eps = _positive("eps", eps)

    @torch.no_grad()
    def __call__(self, parameters: Sequence[nn.Parameter], norm: Tensor) -> None:
        """Scale each unit's gradient."""
        for parameter in parameters:
            if parameter.grad is not None:
                bound = self.factor * _unit_norms(parameter).clamp(min=self.eps)
                parameter.grad *= (bound / _unit_norms(parameter.grad)).clamp(max=1)


def _unit_norms(tensor: Tensor) -> Tensor:
    """The L2 norm of each unit, in a shape that multiplies with the tensor."""
    axes = tuple(range(1, tensor.ndim)) or None
    norms: Tensor = torch.linalg.vector_norm(tensor, dim=axes, keepdim=True)
    return norms


def _positive(name: str, value: float) -> float:
    if not 0 < value < math.inf:
        raise Mistake(f"clipping.{name} is {value}; give a finite number above 0.")
    return value
