"""Gradient clipping: bounds on the gradients of an update.

Gradients are clipped after the guard has checked that they are finite, so clipping hides no error.
The host never waits for the device.
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
    """Scales all gradients of a network by ``min(1, max_norm / norm)``.

    This keeps their direction (Pascanu et al. 2013, alg. 1).
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
    """Bounds the gradient of each unit by the norm of its weights (AGC; Brock et al. 2021, eq. 3).

    Let G be the gradient of a unit and W its weights. Then G is scaled by
    ``min(1, factor · max(‖W‖, eps) / ‖G‖)``. Because of `eps`, weights of zero can still change.

    A unit is a slice of a parameter along its first axis. In a linear or convolutional layer it is
    an output channel, and in a transposed convolution an input channel. A parameter with a single
    axis, such as a bias, is one unit. The paper does not clip the last linear layer. Generators end
    in a convolution, so all layers are clipped here.
    """

    def __init__(self, *, factor: float, eps: float) -> None:
        self.factor = _positive("factor", factor)
        self.eps = _positive("eps", eps)

    @torch.no_grad()
    def __call__(self, parameters: Sequence[nn.Parameter], norm: Tensor) -> None:
        """Scale each unit's gradient."""
        for parameter in parameters:
            if parameter.grad is None:
                continue
            bound = self.factor * _unit_norms(parameter).clamp(min=self.eps)
            ratio = bound / _unit_norms(parameter.grad)
            parameter.grad *= ratio.clamp(max=1)


def _unit_norms(tensor: Tensor) -> Tensor:
    """Return the L2 norm of each unit; its shape broadcasts to that of `tensor`."""
    axes = tuple(range(1, tensor.ndim)) or None
    norms: Tensor = torch.linalg.vector_norm(tensor, dim=axes, keepdim=True)
    return norms


def _positive(name: str, value: float) -> float:
    if not 0 < value < math.inf:
        raise Mistake(f"clipping.{name} is {value}; give a finite number above 0.")
    return value
