"""Comparison of the tensors of a file with those of a generator; refusal of other networks."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isqrt
from typing import cast

from torch import Tensor, nn

from srlab.axes import per_axis
from srlab.generators import Generator, multiple_of
from srlab.mistakes import Mistake
from srlab.models.messages import listed
from srlab.models.pretrained.layouts import translate
from srlab.models.pretrained.reading import WeightsFile

PARTIAL = "or weights_match=partial to load what fits."
"""The end of a message about tensors that do not fit."""


@dataclass(frozen=True)
class Fit:
    """The result of a comparison; tensors have the generator's names, if it has such a tensor."""

    fitting: dict[str, Tensor]
    """The tensors of the file that fit by name and shape."""

    missing: list[str]
    """The tensors of the generator that the file lacks."""

    left_over: list[str]
    """The tensors of the file that the generator lacks, by their names in the file."""

    reshaped: list[str]
    """The tensors of different shape, each with both shapes."""

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
    """Compare tensors with those of a generator.

    `names` maps their names to the names in the file; names that it lacks are the same in both.
    """
    own, names = generator.state_dict(), names or {}
    fitting: dict[str, Tensor] = {}
    reshaped: list[str] = []
    left_over: list[str] = []
    for name, tensor in tensors.items():
        if name not in own:
            left_over.append(names.get(name, name))
        elif tensor.shape != own[name].shape:
            reshaped.append(f"{name}: {tuple(tensor.shape)} for {tuple(own[name].shape)}")
        else:
            fitting[name] = tensor
    missing = [name for name in own if name not in tensors]
    return Fit(fitting, missing, left_over, reshaped)


def names_in_file(generator: nn.Module, file: WeightsFile) -> dict[str, str]:
    """Map the name of each tensor in the generator to its name in the file."""
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

    Without this check, its first layer might be adapted as if it had other bands.
    """
    own = multiple_of(cast(Generator, generator))
    given = _unshuffle(generator, file, tensors)
    if given is None or given == own:
        return
    wanted = f"set generator.unshuffle={_as_setting(given)}"
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
    """Find the factor from the channels of the first and last convolution.

    `own` is the factor of the run's generator, which has `in_channels` input channels.
    """
    head, tail = tensors.get("head.weight"), tensors.get("tail.weight")
    if head is None or tail is None or head.ndim != 4 or tail.ndim != 4:
        return None
    inputs, outputs = head.shape[1], tail.shape[0]
    if inputs == in_channels * own**2:  # with guides, there are more input than output bands
        return own, own
    for factor in (2, 4):
        if inputs == factor**2 * outputs:
            return factor, factor
    return 1, 1


def _as_setting(factors: Sequence[int]) -> int | list[int]:
    """Return factors as a user would write them: one number if all are equal, a list otherwise."""
    return factors[0] if len(set(factors)) == 1 else list(factors)


def refuse_other_scale(
    generator: nn.Module, file: WeightsFile, tensors: Mapping[str, Tensor]
) -> None:
    """Raise a `Mistake` for a model of another scale; a model of unknown scale is accepted."""
    ours = cast(Generator, generator)
    wanted = tuple(ours.scale)
    if file.card:
        given = file.card.scale
    elif file.layout and len(wanted) == 2:
        enlargement = published_enlargement(tensors)
        given = tuple(enlargement // factor for factor in multiple_of(ours))
    else:
        return
    if given != wanted:
        raise Mistake(
            f"{file.path} is a model for scale {given} and this run has scale {wanted}; set scale "
            f"to match, {PARTIAL}"
        )


def published_enlargement(tensors: Mapping[str, Tensor]) -> int:
    """Return the factor of a published upsampler, from the shapes of its convolutions.

    There are three kinds of upsampler:

    - one pixel shuffle at the end of the network, with ``scale²`` planes for each channel
    - stages of a convolution and a pixel shuffle, with ``factor²`` maps for each feature
    - stages that double the size and then convolve, without changing the number of features
    """
    filled = {name: tensor for name, tensor in tensors.items() if tensor.numel()}
    shapes = {name: tensor.shape for name, tensor in filled.items() if tensor.ndim == 4}
    if "tail.0.weight" in shapes and "head.0.weight" in shapes:
        planes, channels = shapes["tail.0.weight"][0], shapes["head.0.weight"][1]
        return isqrt(planes // channels)
    enlargement = 1
    for name, (maps, features, *_) in shapes.items():
        if "upsampler." not in name:
            continue
        enlargement *= 2 if maps == features else isqrt(maps // features)
    return enlargement
