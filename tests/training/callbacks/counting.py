"""A run whose weights are its number of steps, and whose scores are a given function of it."""

import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import torch
from lightning import Callback, LightningModule, Trainer
from safetensors.torch import save_file
from torch import nn
from torch.utils.data import DataLoader

from srlab.models.bundle import CARD_KEY, load_checkpoint
from srlab.training.callbacks import Checkpoints
from srlab.training.module import GAN


def rising(step: int) -> float:
    """Mostly one of the best so far, at any rank."""
    return step + 8 * math.sin(1.7 * step)


class Counting(GAN):
    def __init__(self, score: Callable[[int], float]) -> None:
        LightningModule.__init__(self)
        self.automatic_optimization = False
        self.weight = nn.Parameter(torch.zeros(1000))
        self.score = score
        self.scored: list[int] = []

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1.0)

    def training_step(self, batch, batch_idx):
        self.weight.grad = -torch.ones_like(self.weight)
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

    def super_resolver(self):
        return SimpleNamespace(save=lambda path: save_file({"weight": self.weight.detach()}, path))


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
    arguments = {"every": 3, "monitor": "score", "mode": "max", "keep": 3, **given}
    checkpoints = Checkpoints(folder=str(folder), **arguments)
    module = Counting(score)
    trainer = Trainer(
        accelerator="cpu",
        max_steps=steps,
        max_epochs=-1,
        val_check_interval=validate_every or 1,
        limit_val_batches=min(validate_every, 1),
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        logger=False,
        callbacks=[checkpoints, *more],
    )
    views = [DataLoader(data, batch_size=1) for data in (range(10**9), range(1))]
    path = folder / "checkpoints" / "last.ckpt" if resume else None
    trainer.fit(module, *views, ckpt_path=path, weights_only=True)
    return module


def files(folder: Path) -> dict[str, int]:
    """Read the step of each checkpoint, by its name; its weights must be those of its step."""
    found = {}
    for path in sorted((folder / "checkpoints").glob("*.ckpt")):
        content = load_checkpoint(path)
        assert (content["state_dict"]["weight"] == content["global_step"]).all()
        found[path.stem] = content["global_step"]
    return found


def kept_steps(folder: Path) -> list[int]:
    """Read the steps of the best checkpoints by rank, as the last checkpoint has them."""
    last = load_checkpoint(folder / "checkpoints" / "last.ckpt")
    return [step for _, step in last["callbacks"]["Checkpoints"]["kept"]]


def ranked(steps, score=rising, keep=3, mode="max") -> dict[str, int]:
    """Return the steps of the best checkpoints, by the names of their files."""
    best = sorted(steps, key=score, reverse=mode == "max")[:keep]
    names = ["best", *(f"best_{rank}" for rank in range(2, keep + 1))]
    return dict(zip(names, best, strict=False))
