"""Pictures and histograms for whichever loggers a run has."""

from __future__ import annotations

import functools
import importlib.util
import logging
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from lightning import Trainer
from lightning.pytorch.loggers import CSVLogger as LightningCSVLogger
from lightning.pytorch.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger
from lightning.pytorch.utilities import rank_zero_only
from numpy.typing import NDArray
from torch import Tensor

from srlab.mistakes import MissingPackage
from srlab.training.loggers.csv_logger import CSVLogger

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Histogram:
    """How many values lie between neighbouring edges."""

    counts: NDArray[np.int64]
    edges: NDArray[np.float64]


def histogram(
    values: Tensor, *, bins: int, limits: tuple[float, float] | None = None
) -> Histogram | None:
    """Count the finite ones of `values` in `bins` of one width between `limits`; None if there are none.

    Values beyond the limits count in the outermost bins. The limits are by default the extremes of the values.
    """
    finite = values.detach().flatten().cpu().double()
    finite = finite[finite.isfinite()]
    if not len(finite):
        return None
    low, high = limits or (float(finite.min()), float(finite.max()))
    counts, edges = np.histogram(finite.clamp(low, high).numpy(), bins=bins, range=(low, high))
    return Histogram(counts, edges)


def visual(loggers: Iterable[Logger]) -> list[Logger]:
    """Those that take pictures and histograms. A table has none to take; of any other, one line in the log says so."""
    found: list[Logger] = []
    for logger in loggers:
        if isinstance(logger, TensorBoardLogger | WandbLogger | MLFlowLogger):
            found.append(logger)
        elif not isinstance(logger, CSVLogger | LightningCSVLogger):
            _pass_over(type(logger))
    return found


def watching(trainer: Trainer) -> list[Logger]:
    """The loggers to which a validation shows pictures and histograms: none of a sanity check.

    They are of the same kinds on all ranks, so that each knows whether the others gather what there is to show; only
    rank 0's write anything.
    """
    return [] if trainer.sanity_checking else visual(trainer.loggers)


@functools.cache
@rank_zero_only
def _pass_over(kind: type[Logger]) -> None:
    log.info(
        "%s gets no pictures and histograms: they go to TensorBoard, Weights & Biases and MLflow",
        kind.__name__,
    )


def log_image(logger: Logger, name: str, picture: Tensor, step: int) -> None:
    """Log a picture ``(3, H, W)`` in 0–1; MLflow keeps it as an artifact ``name/step.png``."""
    pixels = (picture * 255).round().to(torch.uint8).movedim(0, -1).cpu().numpy()
    if isinstance(logger, TensorBoardLogger):
        logger.experiment.add_image(name, pixels, global_step=step, dataformats="HWC")
    elif isinstance(logger, WandbLogger):
        logger.log_image(name, [pixels], step=step)
    elif isinstance(logger, MLFlowLogger):
        logger.experiment.log_image(_run_id(logger), pixels, artifact_file=f"{name}/{step:08d}.png")


def log_histogram(logger: Logger, name: str, counted: Histogram, step: int) -> None:
    """Log a histogram; MLflow, which has none, keeps counts and edges as an artifact ``name/step.json``."""
    counts, edges = counted.counts, counted.edges
    if isinstance(logger, TensorBoardLogger):
        centres = (edges[1:] + edges[:-1]) / 2
        logger.experiment.add_histogram_raw(
            name,
            min=edges[0],
            max=edges[-1],
            num=counts.sum(),
            sum=(counts * centres).sum(),
            sum_squares=(counts * centres**2).sum(),
            bucket_limits=edges[1:],
            bucket_counts=counts,
            global_step=step,
        )
    elif isinstance(logger, WandbLogger):
        import wandb

        logger.log_metrics({name: wandb.Histogram(np_histogram=(counts, edges))}, step=step)  # type: ignore[dict-item]
    elif isinstance(logger, MLFlowLogger):
        content = {"counts": counts.tolist(), "edges": edges.tolist()}
        logger.experiment.log_dict(_run_id(logger), content, f"{name}/{step:08d}.json")


def _run_id(logger: MLFlowLogger) -> str:
    assert logger.run_id is not None
    return logger.run_id


def require(module: str, *, title: str, package: str) -> None:
    """Raise a ``ModuleNotFoundError`` that says what to install for a logger."""
    if importlib.util.find_spec(module) is None:
        raise MissingPackage(
            f"{title} is not installed: pip install {package}, or choose another logger=."
        )
