"""SR that agrees with the input channels that it continues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from torch import Tensor

from srlab.degradations import Bounds, Degradation, Projection, bounded, projection_reach
from srlab.mistakes import Mistake
from srlab.models.card import JSON, ModelCard
from srlab.models.rebuilding import build


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
        self.scale = degradation.scale
        self.channels = [input_names.index(name) for name in output_names]

    @cached_property
    def reach(self) -> tuple[int | None, ...]:
        """The overlap of tiles along each axis, in LR pixels, by which no cut shows; None: none."""
        return projection_reach(self.projection, channels=len(self.channels))

    @property
    def whole_axes(self) -> list[int]:
        """The axes that no overlap serves, from 0 on."""
        return [axis for axis, pixels in enumerate(self.reach) if pixels is None]

    def __call__(self, sr: Tensor, lr: Tensor) -> Tensor:
        """Return the nearest SR that agrees with LR; gradients pass through."""
        return self.projection(sr, lr[:, self.channels])

    def within(self, sr: Tensor, bounds: Bounds) -> Tensor:
        """Return what agrees as a projected SR does, and is within bounds; see `bounded`."""
        return bounded(self.projection, sr, bounds, reach=self.reach)

    def measured(self, lr: Tensor) -> Tensor:
        """Return the part of such an SR that LR alone determines, without gradients."""
        return self.projection.measured(lr[:, self.channels])


def agreement_of(
    card: ModelCard, degradation: Mapping[str, JSON] | None = None, *, trust: bool = False
) -> Agreement:
    """Build the agreement with a model's input, by a recipe of the degradation, or by its card's.

    A `Mistake` says if there is none, or one by which nothing can be projected.
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
