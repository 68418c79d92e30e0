"""One normaliser for LR, another one for HR."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from srlab.mistakes import Mistake
from srlab.normalisers.protocol import Measure, Normaliser, Scope


class Paired(nn.Module):
    """Normalises LR by `of_lr`, and HR and SR by `of_hr`, for pairs in different units.

    Two sensors may store radiance and reflectance, or two scanners their own arbitrary signals.
    Either part that learns from the training split is fitted to its own side. Parts of the scope
    ``scene`` both get the statistics that samples carry: those of LR's file where LR was measured.

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
    """Return where the numbers of both come from; arguments go with anything."""
    scopes = {lr, hr} - {"fixed"}
    if len(scopes) > 1:
        raise Mistake(
            f"of_lr has the scope {lr} and of_hr {hr}; give both the same scope, or choose one "
            "without measured numbers such as minmax."
        )
    return scopes.pop() if scopes else "fixed"
