"""Weights to start from: ours, or those that others have published."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isqrt, prod
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from srlab.axes import per_axis
from srlab.generators import RRDB, Spandrel
from srlab.mistakes import MissingFile, Mistake
from srlab.models.bundle import CARD_KEY, ModelCard, read_bundle
from srlab.models.pretrained.inflation import inflated
from srlab.models.pretrained.layouts import Layout, recognise, translate

log = logging.getLogger(__name__)

Match = Literal["exact", "partial", "inflate"]

WRAPPERS = ("params_ema", "params", "state_dict", "model")
"""Where published files keep the tensors, the averaged ones first."""


def load_weights(
    generator: nn.Module,
    path: str | Path,
    *,
    match: Match = "exact",
    channels: Sequence[str] | None = None,
) -> None:
    """Fill a generator with weights: of a bundle, a checkpoint, or a published ``.pth``, ``.pt`` or ``.safetensors``.

    Published names of tensors are translated, see `srlab.models.pretrained.layouts`. No code in a file is run.

    - ``exact``: every tensor fits, or a ``ValueError`` says which do not.
    - ``partial``: loads what fits by name and shape, and logs the rest; nothing at all is an error.
    - ``inflate``: as ``exact``, after the first and last convolution were adapted to other bands, see
      `srlab.models.pretrained.inflation`. `channels` are the bands' names in this run, to be found again among those of a bundle.

    An error leaves the generator as it was.
    """
    if match not in get_args(Match):
        raise Mistake(
            f"weights_match is {match!r}; it must be one of {', '.join(get_args(Match))}."
        )
    file = _read(Path(path), generator)
    if isinstance(generator, Spandrel):
        if match != "exact":
            raise Mistake(
                f"generator=spandrel is built from its weights; weights_match={match} has no meaning."
            )
        generator.load_state_dict(file.tensors)
        return
    if not generator.state_dict():
        raise Mistake(
            f"{type(generator).__name__} has no weights to load; remove weights=, or choose a generator."
        )
    if match != "partial":
        _refuse_stranger(generator, file)
    names, tensors = _translated(generator, file)
    if match != "partial":
        _refuse_unshuffle(generator, file, tensors)
        _refuse_scale(generator, file, tensors)
    if match == "inflate":
        tensors = inflated(
            generator, tensors, before=file.card.channels if file.card else None, after=channels
        )
    fit = _compare(generator, tensors, names)
    if fit.differences and match != "partial":
        raise Mistake(
            f"{path} holds {file.origin}, whose weights do not fit this run's generator: {fit.differences}; check "
            f"generator, channels, blocks and scale, or set {_advice(generator, tensors)}."
        )
    if not fit.fitting:
        hint = f" It is a network of generator={file.layout.choice}." if file.layout else ""
        raise Mistake(
            f"{path} holds {file.origin}, of whose weights none fits this run's generator: {fit.differences}.{hint}"
        )
    generator.load_state_dict(fit.fitting, strict=False)
    _report(generator, fit, file)


@dataclass(frozen=True)
class _File:
    """A file of weights: our own with a card, or a published one, perhaps of a known layout."""

    path: Path
    tensors: dict[str, Tensor]
    card: ModelCard | None
    layout: Layout | None

    @property
    def origin(self) -> str:
        """What it holds, for messages."""
        if self.card:
            return f"a {_short(str(self.card.generator.get('_target_')))}"
        return self.layout.origin if self.layout else "tensors of an unknown network"


@dataclass(frozen=True)
class _Fit:
    """How a file's tensors and a generator's compare, by our names; `left_over` has the file's."""

    fitting: dict[str, Tensor]
    missing: list[str]
    left_over: list[str]
    reshaped: list[str]

    @property
    def differences(self) -> str:
        """All that does not fit, on one line; empty if everything does."""
        kinds = {
            "missing": self.missing,
            "left over": self.left_over,
            "of another shape": self.reshaped,
        }
        return "; ".join(
            f"{len(names)} {kind} ({_some(names)})" for kind, names in kinds.items() if names
        )


def _compare(generator: nn.Module, tensors: Mapping[str, Tensor], names: Mapping[str, str]) -> _Fit:
    own = generator.state_dict()
    common = {name: tensor for name, tensor in tensors.items() if name in own}
    return _Fit(
        fitting={
            name: tensor for name, tensor in common.items() if tensor.shape == own[name].shape
        },
        missing=[name for name in own if name not in tensors],
        left_over=[names[name] for name in tensors if name not in own],
        reshaped=[
            f"{name}: {tuple(tensor.shape)} for {tuple(own[name].shape)}"
            for name, tensor in common.items()
            if tensor.shape != own[name].shape
        ],
    )


def _translated(generator: nn.Module, file: _File) -> tuple[dict[str, str], dict[str, Tensor]]:
    """The names that our names have in the file, and the tensors by our names."""
    if file.layout is None:
        return {name: name for name in file.tensors}, file.tensors
    ours = translate(file.layout, file.tensors, generator.state_dict())
    names = {name: theirs for theirs, name in ours.items() if name is not None}
    return names, {name: file.tensors[theirs] for name, theirs in names.items()}


def _refuse_stranger(generator: nn.Module, file: _File) -> None:
    """Refuse another network."""
    layout = file.layout
    if layout and not isinstance(generator, layout.kind):
        raise Mistake(
            f"{file.path} holds {layout.origin}, whose weights do not fit this run's generator, a "
            f"{type(generator).__name__}; set generator={layout.choice}, or weights_match=partial to load what fits."
        )


def _refuse_unshuffle(generator: nn.Module, file: _File, tensors: Mapping[str, Tensor]) -> None:
    """Refuse an RRDB that rearranges its input otherwise: adapted to other bands, its first layer might seem to fit."""
    given = _unshuffle(generator, file, tensors) if isinstance(generator, RRDB) else None
    if given is None or given == generator.multiple_of:
        return
    cells = given[0] if len(set(given)) == 1 else list(given)
    scale = f" and scale={_published_enlargement(tensors) // given[0]}" if file.layout else ""
    raise Mistake(
        f"{file.path} holds {file.origin} that rearranges its input by {given} (pixel-unshuffle), and this run's "
        f"generator by {generator.multiple_of}; set generator.unshuffle={cells}{scale}, or weights_match=partial to "
        "load what fits."
    )


def _unshuffle(
    generator: RRDB, file: _File, tensors: Mapping[str, Tensor]
) -> tuple[int, ...] | None:
    """By how much a file's RRDB rearranges its input; None if nothing tells."""
    dims = len(generator.scale)
    if file.card:
        recipe = file.card.generator
        alike = str(recipe.get("_target_")).endswith(".RRDB") and len(file.card.scale) == dims
        return per_axis(recipe.get("unshuffle", 1), dims) if alike else None  # type: ignore[arg-type]  # checked there
    ends = [tensors[name].shape for name in ("head.weight", "tail.weight") if name in tensors]
    if not file.layout or dims != 2 or [len(shape) for shape in ends] != [4, 4]:
        return None
    before, after, own = ends[0][1], ends[1][0], generator.multiple_of[0]
    if before == generator.in_channels * own**2:  # with guides, more bands come in than go out
        return own, own
    return next(((factor, factor) for factor in (2, 4) if before == factor**2 * after), (1, 1))


def _refuse_scale(generator: nn.Module, file: _File, tensors: Mapping[str, Tensor]) -> None:
    wanted: tuple[int, ...] = tuple(generator.scale)  # type: ignore[arg-type]
    scale = wanted
    if file.card:
        scale = file.card.scale
    elif file.layout and len(wanted) == 2:
        cells = generator.multiple_of if isinstance(generator, RRDB) else (1, 1)
        scale = tuple(_published_enlargement(tensors) // cell for cell in cells)
    if scale != wanted:
        raise Mistake(
            f"{file.path} is a model for scale {scale} and this run has scale {wanted}; set scale to match, or "
            "weights_match=partial to load what fits."
        )


def _published_enlargement(tensors: Mapping[str, Tensor]) -> int:
    """The factor of a published upsampler: each convolution feeds a pixel shuffle, or doubles the size."""
    shapes = {
        name: tensor.shape
        for name, tensor in tensors.items()
        if tensor.ndim == 4 and tensor.numel()
    }
    if (
        "tail.0.weight" in shapes and "head.0.weight" in shapes
    ):  # one pixel shuffle at the end, of the input's channels
        return isqrt(shapes["tail.0.weight"][0] // shapes["head.0.weight"][1])
    stages = [shape for name, shape in shapes.items() if "upsampler." in name]
    return prod(isqrt(rows // columns) if rows != columns else 2 for rows, columns, *_ in stages)


def _advice(generator: nn.Module, tensors: Mapping[str, Tensor]) -> str:
    if not _compare(
        generator, inflated(generator, tensors), {name: name for name in tensors}
    ).differences:
        return "weights_match=inflate to adapt the first and last layer to this run's bands"
    return "weights_match=partial to load what fits"


def _report(generator: nn.Module, fit: _Fit, file: _File) -> None:
    own = generator.state_dict()
    parameters = {name: parameter.numel() for name, parameter in generator.named_parameters()}
    loaded, total = sum(parameters.get(name, 0) for name in fit.fitting), sum(parameters.values())
    log.info(
        "loaded %d of %d tensors (%.1f %%) and %d of %d parameters (%.1f %%) from %s",
        *(len(fit.fitting), len(own), 100 * len(fit.fitting) / len(own)),
        *(loaded, total, 100 * loaded / max(total, 1), file.path),
    )
    if fit.differences:
        log.warning("not loaded: %s", fit.differences)
        log.debug(
            "missing: %s; left over: %s; of another shape: %s",
            fit.missing,
            fit.left_over,
            fit.reshaped,
        )
    if file.layout:
        log.info(
            "it is %s, made for %s; the normaliser must provide that",
            file.layout.origin,
            file.layout.takes,
        )


def _read(path: Path, generator: nn.Module) -> _File:
    if not path.is_file():
        raise MissingFile(
            f"there are no weights at {path}; give a model.safetensors, a .ckpt, or a published .pth, .pt or "
            ".safetensors file."
        )
    content = _safetensors(path) if path.suffix == ".safetensors" else _unpickled(path)
    if isinstance(content, dict) and isinstance(content.get(CARD_KEY), str):
        if path.suffix not in (".safetensors", ".ckpt"):
            raise Mistake(f"{path} is a checkpoint of a run; give it a name that ends in .ckpt.")
        given, card = read_bundle(path)
        part = {
            name.partition(".")[2]: tensor
            for name, tensor in given.items()
            if name.startswith("generator.")
        }
        return _File(path, part, card, layout=None)
    tensors = _unwrapped(content, path)
    layout = recognise(tensors)
    # another package's generator may have the published names itself
    own = layout is not None and generator.state_dict().keys() >= set(layout.marks)
    return _File(path, tensors, card=None, layout=None if own else layout)


def _safetensors(path: Path) -> dict[str, Any]:
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
            return tensors | {
                key: text for key, text in (file.metadata() or {}).items() if key == CARD_KEY
            }
    except (SafetensorError, OSError, ValueError) as error:
        raise Mistake(
            f"{path} is no safetensors file, or it is damaged: {_short(str(error), 300)}."
        ) from error


def _unpickled(path: Path) -> object:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file may raise anything
        found = re.search(r"GLOBAL ([\w.]+)", str(error))
        reason = f"it calls {found[1]}" if found else _short(str(error).partition("\n")[0], 300)
        raise Mistake(
            f"{path} carries more than tensors, or it is damaged, and nothing in it was run: {reason}. Give weights in "
            "a .safetensors file, or in a .pth or .pt file of tensors alone."
        ) from error


def _unwrapped(content: object, path: Path) -> dict[str, Tensor]:
    """The named tensors of a file, without what is wrapped around them."""
    wrapped = (
        [content[key] for key in WRAPPERS if key in content] if isinstance(content, dict) else []
    )
    for candidate in (*wrapped, content):
        tensors = (
            {
                name: value
                for name, value in candidate.items()
                if isinstance(name, str) and isinstance(value, Tensor)
            }
            if isinstance(candidate, dict)
            else {}
        )
        if tensors:
            break
    else:
        keys = (
            _some([str(key) for key in content])
            if isinstance(content, dict)
            else type(content).__name__
        )
        raise Mistake(
            f"{path} has no named tensors, at its top or under {', '.join(WRAPPERS)}; it has {keys}."
        )
    for name, tensor in tensors.items():
        if (
            tensor.layout != torch.strided
            or tensor.is_quantized
            or tensor.is_complex()
            or tensor.device.type != "cpu"
        ):
            raise Mistake(
                f"{path} has a tensor {_short(name)} that is no plain array of real numbers."
            )
    parallel = all(name.startswith("module.") for name in tensors)
    return {
        name.removeprefix("module.") if parallel else name: tensor
        for name, tensor in tensors.items()
    }


def _some(names: Sequence[str], most: int = 5) -> str:
    shown = ", ".join(_short(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _short(text: str, most: int = 90) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[:most]}…"
