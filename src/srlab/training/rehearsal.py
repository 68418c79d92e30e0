"""Rehearsal: a trial of validation before the first update."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import torch
from lightning import Callback
from torch import Tensor, nn

from srlab.data.module import collate
from srlab.data.sources.source import PairDataset, PairsOfFiles
from srlab.mistakes import Mistake
from srlab.training.status import OF_GAME

if TYPE_CHECKING:
    from srlab.training.module import GAN


@runtime_checkable
class Rehearsed(Protocol):
    """A callback that can try its work on a validation view before training."""

    def rehearse(self, trainer: Any, pl_module: GAN | Any, sr: Tensor, batch: Any) -> None:
        """Process one view as at a validation, and discard the result."""
        ...


class Rehearsal(Callback):
    """Scores one validation view of each shape, and lets callbacks draw it, before training.

    A view that is too small for a metric, or has too many bands, would otherwise end a run at its
    first validation. So would a monitored value that is never reported. `monitors` holds the key of
    each callback or scheduler that monitors a value, and the value's name. No result of a run
    depends on the rehearsal.
    """

    def __init__(self, monitors: Iterable[tuple[str, str]] = ()) -> None:
        self.monitors = [*monitors]

    def on_train_start(self, trainer: Any, pl_module: GAN | Any) -> None:
        """Raise the `Mistake` that the first validation would raise."""
        if not trainer.enable_validation:
            return
        data = trainer.datamodule
        views = data.source.validation
        _check_anything(views, range(len(views)))
        modes = [(part, part.training) for part in pl_module.modules()]
        pl_module.eval()
        pl_module.validation.start(pl_module.super_resolver(), None)
        self._score(trainer, pl_module, views)
        _restore(modes)
        self._check_monitors(pl_module)

    def _score(self, trainer: Any, pl_module: GAN | Any, views: PairDataset) -> None:
        drawing = [callback for callback in trainer.callbacks if isinstance(callback, Rehearsed)]
        known: set[Hashable] = set()
        for position in trainer.datamodule.own_views():
            batch = collate([views[position]])
            shape = tuple((name, tensor.shape) for name, tensor in batch.items())
            if shape in known:
                continue
            known.add(shape)
            batch = trainer.precision_plugin.convert_input(batch)
            batch = trainer.strategy.batch_to_device(batch)
            with torch.inference_mode(), trainer.precision_plugin.val_step_context():
                try:
                    sr = pl_module.validation.score(batch, number=position)
                except Mistake as error:
                    raise Mistake(f"{_failure(views, position)}: {error}") from error
                for callback in drawing:
                    callback.rehearse(trainer, pl_module, sr, batch)

    def _check_monitors(self, pl_module: GAN | Any) -> None:
        reported = pl_module.validation.names()
        if pl_module.adversary:
            reported |= set(OF_GAME)
        for key, monitor in self.monitors:
            if monitor.startswith("val/") and monitor not in reported:
                raise Mistake(
                    f"{key}.monitor is {monitor!r}, which validation does not report; it reports "
                    f"{', '.join(sorted(reported))}."
                )


def _check_anything(views: PairDataset, positions: Sequence[int]) -> None:
    """Raise a `Mistake` unless a pixel of any view holds data."""
    for position in positions:
        sample = views[position]
        if "valid" not in sample or bool(sample["valid"].any()):
            return
    raise Mistake(
        f"no pixel of the {len(positions)} validation views holds data; hold out other files or "
        "more of them (split)."
    )


def _failure(views: PairDataset, position: int) -> str:
    """Return a message that names the file of a view that cannot be scored."""
    of_file = f" of {views.file(position)}" if isinstance(views, PairsOfFiles) else ""
    return f"validation cannot score what split holds out{of_file}"


def _restore(modes: Iterable[tuple[nn.Module, bool]]) -> None:
    for part, training in modes:
        part.training = training
