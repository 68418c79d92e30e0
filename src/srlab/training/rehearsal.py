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
from srlab.training.status import ACCURACIES

if TYPE_CHECKING:
    from srlab.training.module import GAN


@runtime_checkable
class Rehearsed(Protocol):
    """A callback that can try its work on a validation view before training."""

    def rehearse(self, trainer: Any, pl_module: GAN | Any, sr: Tensor, batch: Any) -> None:
        """Process one view in the same way as at a validation, and discard the result."""
        ...


class Rehearsal(Callback):
    """Scores one validation view of each shape before training, and lets callbacks draw it.

    Some mistakes would otherwise end a run at its first validation: a view that is too small for a
    metric, too many bands, or a monitored value that is never reported. The results of a run do not
    depend on the rehearsal.

    Each entry of `monitors` is the key of a callback or scheduler, and the name of the value that
    it monitors.
    """

    def __init__(self, monitors: Iterable[tuple[str, str]] = ()) -> None:
        self.monitors = [*monitors]

    def on_train_start(self, trainer: Any, pl_module: GAN | Any) -> None:
        """Raise the `Mistake` that the first validation would raise."""
        if not trainer.enable_validation:
            return
        views = trainer.datamodule.source.validation
        _check_that_a_pixel_is_valid(views, range(len(views)))

        modes = [(part, part.training) for part in pl_module.modules()]
        pl_module.eval()
        pl_module.validation.start(pl_module.super_resolver(), None)
        self._score(trainer, pl_module, views)
        _restore(modes)

        self._check_monitors(pl_module)

    def _score(self, trainer: Any, pl_module: GAN | Any, views: PairDataset) -> None:
        """Score and draw the first of this rank's views of each shape."""
        drawing = [callback for callback in trainer.callbacks if isinstance(callback, Rehearsed)]
        known_shapes: set[Hashable] = set()
        for position in trainer.datamodule.own_views():
            batch = collate([views[position]])
            shapes = tuple((name, tensor.shape) for name, tensor in batch.items())
            if shapes in known_shapes:
                continue
            known_shapes.add(shapes)

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
        """Raise a `Mistake` if a monitored value of validation is never reported."""
        reported = pl_module.validation.names()
        if pl_module.adversary:
            reported |= set(ACCURACIES)
        for key, monitor in self.monitors:
            if monitor.startswith("val/") and monitor not in reported:
                raise Mistake(
                    f"{key}.monitor is {monitor!r}, which validation does not report; it reports "
                    f"{', '.join(sorted(reported))}."
                )


def _check_that_a_pixel_is_valid(views: PairDataset, positions: Sequence[int]) -> None:
    """Raise a `Mistake` if no pixel of any view holds data."""
    for position in positions:
        sample = views[position]
        if "valid" not in sample or bool(sample["valid"].any()):
            return
    raise Mistake(
        f"no pixel of the {len(positions)} validation views holds data; hold out other files or "
        "more of them (split)."
    )


def _failure(views: PairDataset, position: int) -> str:
    """Return the start of a message on a view that cannot be scored; it names the view's file."""
    of_file = ""
    if isinstance(views, PairsOfFiles):
        of_file = f" of {views.file(position)}"
    return f"validation cannot score the part{of_file} that split holds out"


def _restore(modes: Iterable[tuple[nn.Module, bool]]) -> None:
    """Put each module back into training or evaluation mode."""
    for part, training in modes:
        part.training = training
