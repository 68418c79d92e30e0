"""A run whose weights are the number of its steps, and whose validation scores are a given function of it."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import torch
from lightning import Callback, LightningModule, Trainer
from torch import nn
from torch.utils.data import DataLoader

from srlab.models.bundle import CARD_KEY, ModelCard, write_bundle
from srlab.training.callbacks import Checkpoints
from srlab.training.module import GAN

SIZE = 100_000


def rising(step: int) -> float:
    """Mostly one of the best so far, at any rank."""
    return step + 8 * math.sin(1.7 * step)


class Counting(GAN):
    def __init__(self, score: Callable[[int], float]) -> None:
        LightningModule.__init__(self)
        self.automatic_optimization = False
        self.weight = nn.Parameter(torch.zeros(SIZE))
        self.score = score
        self.scored: list[int] = []

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1.0)

    def training_step(self, batch, batch_idx):
        self.weight.grad = -torch.ones(SIZE)
        self.optimizers().step()

    def validation_step(self, batch, batch_idx):
        pass

    def on_validation_epoch_start(self):
        pass

    def on_validation_epoch_end(self):
        self.scored.append(self.global_step)
        self.log("score", torch.tensor(self.score(self.global_step), dtype=torch.float64))

    def on_save_checkpoint(self, checkpoint):
        checkpoint[CARD_KEY] = "{}"

    def on_load_checkpoint(self, checkpoint):
        pass

    def setup(self, stage):
        pass

    def on_fit_start(self):
        pass

    def super_resolver(self):
        card = ModelCard({}, {}, (2, 2), (1,), ("grey",), "", ((0.0, 1.0),), None, {})
        return SimpleNamespace(
            save=lambda path: write_bundle(path, tensors={"weight": self.weight}, card=card)
        )


def run(
    folder: Path,
    *more: Callback,
    score: Callable[[int], float] = rising,
    steps: int = 20,
    validate_every: int = 2,
    resume: bool = False,
    **given: object,
) -> Counting:
    """Train in `folder`, where `more` are callbacks after the checkpoints; 0: never validate."""
    arguments = {"every": 3, "monitor": "score", "mode": "max", "keep": 3}
    checkpoints = Checkpoints(folder=str(folder), **{**arguments, **given})
    module = Counting(score)
    trainer = quiet_trainer([checkpoints, *more], steps, validate_every)
    views = [DataLoader(data, batch_size=1) for data in (range(10**9), range(3))]
    path = folder / "checkpoints" / "last.ckpt" if resume else None
    trainer.fit(module, *views, ckpt_path=path, weights_only=True)
    return module


def quiet_trainer(callbacks: Sequence[Callback], steps: int, validate_every: int) -> Trainer:
    return Trainer(
        accelerator="cpu",
        max_steps=steps,
        max_epochs=-1,
        val_check_interval=validate_every or 1,
        limit_val_batches=1.0 if validate_every else 0,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        logger=False,
        callbacks=[*callbacks],
    )
