"""Comparison of a file's tensors with a generator's, and checks that refuse other networks."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isqrt, prod
from typing import cast

from torch import Tensor, nn

from srlab.axes import per_axis
from srlab.generators import Generator, multiple_of
from srlab.mistakes import Mistake
from srlab.models.messages import listed
from srlab.models.pretrained.layouts import translate
from srlab.models.pretrained.reading import WeightsFile

PARTIAL = "or weights_match=partial to load what fits."


@dataclass(frozen=True)
class Fit:
    """The result of a comparison, with the generator's names; `left_over` has the file's names."""

    fitting: dict[str, Tensor]
    missing: list[str]
    left_over: list[str]
    reshaped: list[str]

    @property
    def differences(self) -> str:
        """A line that lists the tensors that do not fit; empty if all do."""
        kinds = {
            "missing": self.missing,
            "left over": self.left_over,
            "of another shape": self.reshaped,
        }
        lists = [f"{len(names)} {kind} ({listed(names)})" for kind, names in kinds.items() if names]
        return "; ".join(lists)


def compare(
    generator: nn.Module, tensors: Mapping[str, Tensor], names: Mapping[str, str] | None = None
) -> Fit:
    """Compare tensors with a generator's; `names` maps their names to those in the file."""
    own, names = generator.state_dict(), names or {}
    common = {name: tensor for name, tensor in tensors.items() if name in own}
    other = [name for name, tensor in common.items() if tensor.shape != own[name].shape]
    return Fit(
        fitting={name: tensor for name, tensor in common.items() if name not in other},
        missing=[name for name in own if name not in tensors],
        left_over=[names.get(name, name) for name in tensors if name not in own],
        reshaped=[
            f"{name}: {tuple(common[name].shape)} for {tuple(own[name].shape)}" for name in other
        ],
    )


def names_in_file(generator: nn.Module, file: WeightsFile) -> dict[str, str]:
    """Return the name in the file of each tensor, by its name in the generator."""
    if file.layout is None:
        return {name: name for name in file.tensors}
    ours = translate(file.layout, file.tensors, generator.state_dict())
    return {name: theirs for theirs, name in ours.items() if name is not None}


def refuse_other_class(generator: nn.Module, file: WeightsFile) -> None:
    """Raise a `Mistake` if a published network is not of the generator's class."""
    layout = file.layout
    if layout and not isinstance(generator, layout.kind):
        raise Mistake(
            f"{file.path} holds {layout.origin}, whose weights do not fit this run's generator, a "
            f"{type(generator).__name__}; set generator={layout.choice}, {PARTIAL}"
        )


def refuse_other_unshuffle(
    generator: nn.Module, file: WeightsFile, tensors: Mapping[str, Tensor]
) -> None:
    """Raise a `Mistake` if a network has another factor of pixel-unshuffle at its input.

    Otherwise its first layer could seem to fit after being adapted to other bands.
    """
    own, given = multiple_of(cast(Generator, generator)), _unshuffle(generator, file, tensors)
    if given is None or given == own:
        return
    wanted = f"set generator.unshuffle={_shortest(given)}"
    if file.layout:
        wanted += f" and scale={published_enlargement(tensors) // given[0]}"
    raise Mistake(
        f"{file.path} holds {file.origin} that rearranges its input by {given} (pixel-unshuffle), "
        f"and this run's generator by {own}; {wanted}, {PARTIAL}"
    )


def _unshuffle(
    generator: nn.Module, file: WeightsFile, tensors: Mapping[str, Tensor]
) -> tuple[int, ...] | None:
    """Return the factors of pixel-unshuffle of a file's network; None if they are unknown."""
    own = multiple_of(cast(Generator, generator))
    kind = type(generator)
    if "unshuffle" not in inspect.signature(kind).parameters:
        return None
    if file.card:
        recipe = file.card.generator
        same_class = str(recipe.get("_target_")).endswith(f".{kind.__name__}")
        if not same_class or len(file.card.scale) != len(own):
            return None
        return per_axis(cast(int, recipe.get("unshuffle", 1)), len(own))
    if file.layout and len(own) == 2:
        return _published_unshuffle(cast(Generator, generator).in_channels, own[0], tensors)
    return None


def _published_unshuffle(
    in_channels: int, own: int, tensors: Mapping[str, Tensor]
) -> tuple[int, int] | None:
    """Find the factor from the channels of the first and last convolution."""
    head, tail = tensors.get("head.weight"), tensors.get("tail.weight")
    if head is None or tail is None or head.ndim != 4 or tail.ndim != 4:
        return None
    before, after = head.shape[1], tail.shape[0]
    if before == in_channels * own**2:  # with guides, more bands come in than go out
        return own, own
    factor = next((factor for factor in (2, 4) if before == factor**2 * after), 1)
    return factor, factor


def _shortest(factors: Sequence[int]) -> int | list[int]:
    """Return one number if all are equal, as a user would write it."""
    return factors[0] if len(set(factors)) == 1 else list(factors)


def refuse_other_scale(
    generator: nn.Module, file: WeightsFile, tensors: Mapping[str, Tensor]
) -> None:
    """Raise a `Mistake` for a model of another scale."""
    given = cast(Generator, generator)
    wanted = scale = tuple(given.scale)
    if file.card:
        scale = file.card.scale
    elif file.layout and len(wanted) == 2:
        enlargement = published_enlargement(tensors)
        scale = tuple(enlargement // cell for cell in multiple_of(given))
    if scale != wanted:
        raise Mistake(
            f"{file.path} is a model for scale {scale} and this run has scale {wanted}; set scale "
            f"to match, {PARTIAL}"
        )


def published_enlargement(tensors: Mapping[str, Tensor]) -> int:
    """Return the factor of a published upsampler.

    It has either a single pixel shuffle at its end, or stages. The convolution of a stage is
    followed by a pixel shuffle, or has as many outputs as inputs and follows a doubling of the
    size.
    """
    filled = {name: tensor for name, tensor in tensors.items() if tensor.numel()}
    shapes = {name: tensor.shape for name, tensor in filled.items() if tensor.ndim == 4}
    if "tail.0.weight" in shapes and "head.0.weight" in shapes:
        return isqrt(shapes["tail.0.weight"][0] // shapes["head.0.weight"][1])
    stages = [shape for name, shape in shapes.items() if "upsampler." in name]
    return prod(isqrt(rows // columns) if rows != columns else 2 for rows, columns, *_ in stages)
