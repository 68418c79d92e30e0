"""The adjoint of a linear degradation."""

from __future__ import annotations

import torch
from torch import Tensor

from srlab.degradations.protocol import Degradation
from srlab.mistakes import Mistake


def adjoint(degradation: Degradation, lr: Tensor) -> Tensor:
    """Apply the adjoint of a linear degradation to LR ``(B, C, *S)``: ``(B, C, *S·scale)``.

    With A for the degradation and Aᵀ for its adjoint, ``⟨A·hr, lr⟩ = ⟨hr, Aᵀ·lr⟩`` for every HR
    image. Autograd computes a vector-Jacobian product, which is the adjoint of a linear map.

    Raises a `Mistake` if the degradation is not linear.
    """
    if not degradation.linear:
        raise Mistake(
            f"{type(degradation).__name__} is not linear, so it has no adjoint; choose a "
            "degradation without noise, rounding and compression."
        )
    sides = zip(lr.shape[2:], degradation.scale, strict=True)
    shape = (*lr.shape[:2], *(side * factor for side, factor in sides))
    # Lightning validates in inference mode, in which nothing can be differentiated.
    with torch.inference_mode(False), torch.enable_grad():
        hr = torch.zeros(shape, dtype=lr.dtype, device=lr.device, requires_grad=True)
        degraded = degradation(hr, generator=torch.Generator(lr.device))
        (result,) = torch.autograd.grad(degraded, hr, lr)
    return result
