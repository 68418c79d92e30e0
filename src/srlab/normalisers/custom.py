"""Normalisation by two functions that the user provides."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from torch import Tensor, nn

from srlab.mistakes import Mistake
from srlab.normalisers.protocol import Scope


class Custom(nn.Module):
    """Normalises by two functions, each named by its dotted path, such as ``theirs.units.to_db``.

    Both take and return a tensor ``(B, C, *S)``. `forward` maps the physical units of LR and HR to
    the network's range, and `inverse` maps them back. Training checks on a crop that `inverse`
    undoes `forward`.

    A bundle of the model stores the two paths. Opening it runs code that is not part of srlab, and
    therefore needs ``trust=true``. A normaliser with parameters or measured numbers must be a class
    of its own.

    Raises a `Mistake` if a path does not name a function.
    """

    scope: Scope = "fixed"

    def __init__(self, *, forward: str, inverse: str) -> None:
        super().__init__()
        self._forward = _function("forward", forward)
        self._inverse = _function("inverse", inverse)

    def lr(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Map physical units to the network's range."""
        return self._forward(image)

    def hr(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Map physical units to the network's range."""
        return self._forward(image)

    def inverse(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Map the network's range to physical units."""
        return self._inverse(image)


def _function(name: str, path: str) -> Callable[[Tensor], Tensor]:
    """Import the function that a dotted path names; `name` is the argument that holds the path."""
    module_name, _, attribute = path.rpartition(".")
    try:
        module = importlib.import_module(module_name)
        found: Callable[[Tensor], Tensor] = getattr(module, attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise Mistake(
            f"{name} is {path!r}, which cannot be imported ({error}); give the dotted path of a "
            "function in a module on Python's path, such as my_units.to_decibel."
        ) from error
    if not callable(found):
        raise Mistake(
            f"{name} is {path!r}, which is not a function; give the dotted path of a function."
        )
    return found
