"""SR that agrees with the input channels that it continues."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from srlab.degradations import Degradation, Projection
from srlab.mistakes import Mistake


class Agreement:
    """Projects SR ``(B, C', *S·scale)`` so that, degraded, it equals LR ``(B, C, *S)``.

    Each output channel agrees with the input channel of its name. So LR may have more, such as
    guides or further dates. All values are in physical units. See `srlab.degradations.Projection`.

    Raises a `Mistake` if an output channel has a name of its own, or the degradation is not linear.
    """

    def __init__(
        self,
        degradation: Degradation,
        *,
        input_names: Sequence[str],
        output_names: Sequence[str],
    ) -> None:
        new = [name for name in output_names if name not in input_names]
        if new:
            raise Mistake(
                f"the output channel {new[0]!r} is none of the input's "
                f"({', '.join(input_names)}), so there is nothing that it could agree with; leave "
                "projection out."
            )
        self.projection = Projection(degradation)
        self.channels = [input_names.index(name) for name in output_names]

    def __call__(self, sr: Tensor, lr: Tensor) -> Tensor:
        """Return the nearest SR that agrees with LR; gradients pass through."""
        return self.projection(sr, lr[:, self.channels])

    def measured(self, lr: Tensor) -> Tensor:
        """Return the part of such an SR that LR alone determines, without gradients."""
        return self.projection.measured(lr[:, self.channels])
