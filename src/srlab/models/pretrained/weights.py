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
      (`srlab.models.pretrained.inflation`). `names` are the bands of this run. A band that has the
      same name in the file, which only a bundle or checkpoint tells, keeps its filters.

    Raises a `Mistake` if the tensors do not fit. With ``partial``, raises one if none of them fits.
    The generator is then unchanged.
    """
    if match not in get_args(Match):
        raise Mistake(
            f"weights_match is {match!r}; it must be one of {', '.join(get_args(Match))}."
        )
    file = read_weights(Path(path), own_names=generator.state_dict().keys())
    if file.reduction != 1:
        raise Mistake(
            f"{file.path} holds {file.origin} whose output is resized by {file.reduction:g}, which "
            "training cannot continue; give the file of the network for the larger scale."
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
    """Load a generator that takes its layers, too, from the file."""
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
    """Translate the tensors of a file to a generator's names and bands, and compare them.

    Raises a `Mistake` if they belong to another network.
    """
    file_names = names_in_file(generator, file)
    tensors = {name: file.tensors[file_name] for name, file_name in file_names.items()}
    if match != "partial":
        refuse_other_unshuffle(generator, file, tensors)
        refuse_other_scale(generator, file, tensors)
    if match == "inflate":
        before = file.card.input_names if file.card else None
        tensors = inflated(generator, tensors, before=before, after=names)
    fit = compare(generator, tensors, file_names)
    if fit.differences and match != "partial":
        raise Mistake(
            f"{file.path} holds {file.origin}, whose weights do not fit this run's generator: "
            f"{fit.differences}; check generator, channels, blocks and scale, or set "
            f"{_advice(generator, tensors)}."
        )
    if not fit.fitting:
        hint = f" It is a network of generator={file.layout.choice}." if file.layout else ""
        raise Mistake(
            f"{file.path} holds {file.origin}, and none of its weights fits this run's generator: "
            f"{fit.differences}.{hint}"
        )
    return fit


def _advice(generator: nn.Module, tensors: Mapping[str, Tensor]) -> str:
    """Return the setting of weights_match with which the tensors would load."""
    after_inflation = compare(generator, inflated(generator, tensors))
    if after_inflation.differences:
        return "weights_match=partial to load what fits"
    return "weights_match=inflate to adapt the first and last layer to this run's bands"


def _report(generator: nn.Module, fit: Fit, file: WeightsFile) -> None:
    """Log how many tensors and parameters were loaded, and which were not."""
    own = generator.state_dict()
    sizes = {name: parameter.numel() for name, parameter in generator.named_parameters()}
    loaded = sum(sizes.get(name, 0) for name in fit.fitting)
    total = sum(sizes.values())
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
            *(file.layout.origin, file.layout.values.in_words),
        )
