"""Agreement: the projection of SR so that it agrees with LR."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from torch import Tensor

from srlab.degradations import Bounds, Degradation, Projection, bounded, projection_reach
from srlab.mistakes import Mistake
from srlab.models.card import JSON, ModelCard
from srlab.models.rebuilding import build


class Agreement:
    """The projection of SR ``(B, C', *S·scale)``, whose degraded result equals LR ``(B, C, *S)``.

    Each output channel agrees with the input channel of the same name. LR may have further
    channels, such as guides. All values are in physical units. See `srlab.degradations.Projection`.

    Raises a `Mistake` if LR lacks an output channel's name, or the degradation is not linear.
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
                f"the output channel {new[0]!r} is not among the input channels "
                f"({', '.join(input_names)}), so there is nothing that it could agree with; leave "
                "projection out."
            )
        self.projection = Projection(degradation)
        self.scale = degradation.scale
        self.channels = [input_names.index(name) for name in output_names]

    @cached_property
    def reach(self) -> tuple[int | None, ...]:
        """The overlap of tiles that the projection needs, in LR pixels along each axis.

        None stands for an axis along which no overlap suffices.
        """
        return projection_reach(self.projection, channels=len(self.channels))

    @property
    def whole_axes(self) -> list[int]:
        """The axes, from 0, along which no overlap suffices, so that tiles must not be divided."""
        return [axis for axis, pixels in enumerate(self.reach) if pixels is None]

    def __call__(self, sr: Tensor, lr: Tensor) -> Tensor:
        """Return the nearest SR that agrees with LR; gradients pass through."""
        return self.projection(sr, lr[:, self.channels])

    def within(self, sr: Tensor, bounds: Bounds) -> Tensor:
        """Return an image near a projected SR that also agrees with LR, and lies within bounds."""
        return bounded(self.projection, sr, bounds, reach=self.reach)

    def measured(self, lr: Tensor) -> Tensor:
        """Return the part of a projected SR that LR alone determines, without gradients."""
        return self.projection.measured(lr[:, self.channels])


def agreement_of(
    card: ModelCard, degradation: Mapping[str, JSON] | None = None, *, trust: bool = False
) -> Agreement:
    """Build the agreement of a model from `degradation`; None: the degradation in its card.

    Raises a `Mistake` if the degradation is unknown or not linear.
    """
    recipe = degradation or card.degradation
    if not recipe:
        raise Mistake(
            "the model does not say how LR was made of HR, so its output cannot be projected to "
            "agree with the input; name it, such as degradation=bicubic, or leave project out."
        )
    return Agreement(
        build(recipe, package="srlab.degradations", kind=object, trust=trust),
        input_names=card.input_names,
        output_names=card.output_names,
    )
