"""A pair of normalisers, one for LR and one for HR."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from srlab.mistakes import Mistake
from srlab.normalisers.protocol import Measure, Normaliser, Scope


class Paired(nn.Module):
    """Normalises LR by `of_lr`, and HR and SR by `of_hr`, for pairs in different units.

    For example, LR may hold radiance and HR reflectance. A normaliser of the scope ``training`` is
    fitted to LR if it is `of_lr`, and to HR if it is `of_hr`. Normalisers of the scope ``scene``
    both receive the statistics in the sample. If LR is a measured image, these are the statistics
    of LR's file.

    Raises a `Mistake` if one scope is ``scene`` and the other one ``training``.
    """

    of_lr: Normaliser
    of_hr: Normaliser

    def __init__(self, *, of_lr: nn.Module, of_hr: nn.Module) -> None:
        super().__init__()
        self.of_lr = cast(Normaliser, of_lr)
        self.of_hr = cast(Normaliser, of_hr)
        self.scope = _common_scope(self.of_lr.scope, self.of_hr.scope)

    def fit(self, *, hr: Measure, lr: Measure) -> None:
        """Fit each normaliser of the scope ``training`` to its own side, LR or HR."""
        for normaliser, measure in ((self.of_lr, lr), (self.of_hr, hr)):
            if normaliser.scope == "training":
                normaliser.fit(hr=measure, lr=measure)

    def lr(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Map LR to the network's range."""
        return self.of_lr.lr(image, scene)

    def hr(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Map HR to the network's range."""
        return self.of_hr.hr(image, scene)

    def inverse(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Map SR to the physical units of HR."""
        return self.of_hr.inverse(image, scene)


def _common_scope(lr: Scope, hr: Scope) -> Scope:
    """Return the scope of a pair; ``fixed`` combines with every scope."""
    measured = {lr, hr} - {"fixed"}
    if len(measured) > 1:
        raise Mistake(
            f"of_lr has the scope {lr} and of_hr {hr}; give both the same scope, or choose one "
            "without measured numbers such as minmax."
        )
    return measured.pop() if measured else "fixed"
