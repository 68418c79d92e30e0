"""The absolute value and the square, as two measures of a difference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from srlab.mistakes import Mistake

Norm = Literal["l1", "l2"]

_NORMS: dict[Norm, Callable[[Tensor], Tensor]] = {"l1": torch.abs, "l2": torch.square}


def norm_of(norm: Norm, *, term: str) -> Callable[[Tensor], Tensor]:
    """Return the elementwise function ``|x|`` for "l1", or ``x²`` for "l2".

    Raises a `Mistake` for another name. Its message mentions the `term`.
    """
    if norm not in _NORMS:
        raise Mistake(f"loss.{term}.term.norm is {norm!r}; it must be one of {', '.join(_NORMS)}.")
    return _NORMS[norm]
