"""Loading of initial weights into a generator: srlab's own or published ones."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

from torch import Tensor, nn

from srlab.files import PathLike
from srlab.mistakes import Mistake
from srlab.models.pretrained.fitting import (
    Fit,
    compare,
    names_in_file,
    refuse_other_class,
    refuse_other_scale,
    refuse_other_unshuffle,
)
from srlab.models.pretrained.inflation import inflated
from srlab.models.pretrained.reading import WeightsFile, read_weights

log = logging.getLogger(__name__)

Match = Literal["exact", "partial", "inflate"]


def load_weights(
    generator: nn.Module,
    path: PathLike,
    *,
    match: Match = "exact",
    names: Sequence[str] | None = None,
) -> None:
    """Fill a generator with weights of a bundle, a checkpoint or a published file.

    Published names of tensors are translated (`srlab.models.pretrained.layouts`). No code in a file
    is run.

    - ``exact``: every tensor must fit.
    - ``partial``: loads the tensors that fit by name and shape, and logs the others.
    - ``inflate``: like ``exact``, after adapting the first and last convolution to other bands
      (`srlab.models.pretrained.inflation`). `names` are the bands of this run; a band of a bundle
      with the same name keeps its filters.

    Raises a `Mistake` if the tensors do not fit, or with ``partial`` none does. The generator is
    then unchanged.
    """
    if match not in get_args(Match):
        raise Mistake(
            f"weights_match is {match!r}; it must be one of {', '.join(get_args(Match))}."
        )
    file = read_weights(Path(path), own_names=generator.state_dict().keys())
    if file.reduction != 1:
        raise Mistake(
            f"{file.path} holds {file.origin} whose output is made smaller by {file.reduction:g}, "
            "which no training continues; give the file of the network for the larger scale."
        )
    if getattr(generator, "built_from_weights", False):
        _build_from(generator, file, match)
        return
    if not generator.state_dict():
        raise Mistake(
            f"{type(generator).__name__} has no weights to load; remove weights=, or choose a "
            "generator."
        )
    if match != "partial":
        refuse_other_class(generator, file)
    fit = fitted(generator, file, match=match, names=names)
    generator.load_state_dict(fit.fitting, strict=False)
    _report(generator, fit, file)


def _build_from(generator: nn.Module, file: WeightsFile, match: Match) -> None:
    if match != "exact":
        raise Mistake(
            f"{type(generator).__name__} is built from its weights; weights_match={match} has no "
            "meaning."
        )
    generator.load_state_dict(dict(file.tensors))


def fitted(
    generator: nn.Module,
    file: WeightsFile,
    *,
    match: Match = "exact",
    names: Sequence[str] | None = None,
) -> Fit:
    """Translate tensors to the generator's names and bands, and compare them with its own.

    Raises a `Mistake` if they are of another network.
    """
    theirs = names_in_file(generator, file)
    tensors = {name: file.tensors[their] for name, their in theirs.items()}
    if match != "partial":
        refuse_other_unshuffle(generator, file, tensors)
        refuse_other_scale(generator, file, tensors)
    if match == "inflate":
        before = file.card.input_names if file.card else None
        tensors = inflated(generator, tensors, before=before, after=names)
    fit = compare(generator, tensors, theirs)
    if fit.differences and match != "partial":
        raise Mistake(
            f"{file.path} holds {file.origin}, whose weights do not fit this run's generator: "
            f"{fit.differences}; check generator, channels, blocks and scale, or set "
            f"{_advice(generator, tensors)}."
        )
    if not fit.fitting:
        hint = f" It is a network of generator={file.layout.choice}." if file.layout else ""
        raise Mistake(
            f"{file.path} holds {file.origin}, of whose weights none fits this run's generator: "
            f"{fit.differences}.{hint}"
        )
    return fit


def _advice(generator: nn.Module, tensors: Mapping[str, Tensor]) -> str:
    if compare(generator, inflated(generator, tensors)).differences:
        return "weights_match=partial to load what fits"
    return "weights_match=inflate to adapt the first and last layer to this run's bands"


def _report(generator: nn.Module, fit: Fit, file: WeightsFile) -> None:
    own = generator.state_dict()
    sizes = {name: parameter.numel() for name, parameter in generator.named_parameters()}
    loaded, total = sum(sizes.get(name, 0) for name in fit.fitting), sum(sizes.values())
    log.info(
        "loaded %d of %d tensors (%.1f %%) and %d of %d parameters (%.1f %%) from %s",
        *(len(fit.fitting), len(own), 100 * len(fit.fitting) / len(own)),
        *(loaded, total, 100 * loaded / max(total, 1), file.path),
    )
    if fit.differences:
        log.warning("not loaded: %s", fit.differences)
        log.debug(
            "missing: %s; left over: %s; of another shape: %s",
            *(fit.missing, fit.left_over, fit.reshaped),
        )
    if file.layout:
        log.info(
            "it is %s, made for %s; the normaliser must provide that",
            *(file.layout.origin, file.layout.takes.said),
        )
