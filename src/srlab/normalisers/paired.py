"""A pair of normalisers, one for LR and another one for HR."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from srlab.mistakes import Mistake
from srlab.normalisers.protocol import Measure, Normaliser, Scope


class Paired(nn.Module):
    """Normalises LR by `of_lr`, and HR and SR by `of_hr`, for pairs in different units.

    For example, one sensor may store radiance and the other one reflectance. A part of the scope
    ``training`` is fitted to its own side, LR or HR. Parts of the scope ``scene`` both get the
    statistics in the samples, which are those of LR's file where LR was measured.

    Raises a `Mistake` if one part measures scenes and the other one the training split.
    """

    of_lr: Normaliser
    of_hr: Normaliser

    def __init__(self, *, of_lr: nn.Module, of_hr: nn.Module) -> None:
        super().__init__()
        self.of_lr = cast(Normaliser, of_lr)
        self.of_hr = cast(Normaliser, of_hr)
        self.scope = _common(self.of_lr.scope, self.of_hr.scope)

    def fit(self, *, hr: Measure, lr: Measure) -> None:
        """Fit each part to its own side of the training split, if it learns from it."""
        for part, own in ((self.of_lr, lr), (self.of_hr, hr)):
            if part.scope == "training":
                part.fit(hr=own, lr=own)

    def lr(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Bring LR to the network's range."""
        return self.of_lr.lr(image, scene)

    def hr(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Bring HR to the network's range."""
        return self.of_hr.hr(image, scene)

    def inverse(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Bring SR to HR's physical units."""
        return self.of_hr.inverse(image, scene)


def _common(lr: Scope, hr: Scope) -> Scope:
    """Return the scope of both together; ``fixed`` goes with any other."""
    scopes = {lr, hr} - {"fixed"}
    if len(scopes) > 1:
        raise Mistake(
            f"of_lr has the scope {lr} and of_hr {hr}; give both the same scope, or choose one "
            "without measured numbers such as minmax."
        )
    return scopes.pop() if scopes else "fixed"
