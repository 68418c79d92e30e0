"""One number from the logits of several heads."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from srlab.adversarial.protocol import Logits


def mean_over_heads(logits: Logits, loss: Callable[[Tensor], Tensor]) -> Tensor:
    """Average the elementwise `loss` within each head, then over heads.

    So a head counts the same at any size.
    """
    return torch.stack([head.mean() for head in each_head(logits, loss)]).mean()


def each_head(logits: Logits, function: Callable[[Tensor], Tensor]) -> Logits:
    """Apply an elementwise `function` to every head."""
    return tuple(function(at_least_float32(head)) for head in logits)


def at_least_float32(values: Tensor) -> Tensor:
    """Widen float16 and bfloat16: squares overflow there, and means over large maps lose digits."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
