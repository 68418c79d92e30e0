"""Functions of the logits of all heads of a discriminator."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from srlab.adversarial.protocol import Logits


def mean_over_heads(logits: Logits, loss: Callable[[Tensor], Tensor]) -> Tensor:
    """Average an elementwise `loss` within each head, and then over the heads.

    So each head counts the same, whatever its number of logits.
    """
    means = [head.mean() for head in each_head(logits, loss)]
    return torch.stack(means).mean()


def each_head(logits: Logits, function: Callable[[Tensor], Tensor]) -> Logits:
    """Apply an elementwise `function` to the logits of every head."""
    return tuple(function(at_least_float32(head)) for head in logits)


def at_least_float32(values: Tensor) -> Tensor:
    """Convert half precision, in which squares overflow and large means lose digits, to float32."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
