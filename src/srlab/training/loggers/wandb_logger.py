"""Weights & Biases, in a run's folder."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.loggers import WandbLogger as LightningWandbLogger
from lightning.pytorch.utilities import rank_zero_only
from numpy.typing import NDArray

from srlab.files import replaced
from srlab.mistakes import MissingFile, Mistake
from srlab.training.loggers.installation import require
from srlab.training.loggers.visual import BinCounts

if TYPE_CHECKING:
    import wandb


class WandbLogger(LightningWandbLogger):
    """Logs to Weights & Biases, by our steps; all files go to ``folder/wandb``.

    The values of one step are sent as one row, when the next step begins or a checkpoint is
    written. So half a row is never sent.

    A `purge_step` says that the run is resumed. It then keeps its id. W&B takes no row twice and
    cannot drop one. So rows that it has are not sent again; resuming is exact, and they would be
    the same. A kill may lose rows of the last tenth of a second, and online those not uploaded yet.

    With `offline` nothing is sent. Each start then leaves a folder of its own with the same id, and
    no step is in two of them. ``wandb sync RUN/wandb/offline-run-*`` uploads them in their order.
    """

    def __init__(
        self,
        *,
        folder: str,
        project: str,
        entity: str | None = None,
        name: str | None = None,
        offline: bool = False,
        purge_step: int | None = None,
    ) -> None:
        require("wandb", title="Weights & Biases", package="wandb")
        super().__init__(save_dir=folder, project=project, name=name, offline=offline)
        self._folder = Path(folder)
        self._note_path = self._folder / "wandb" / "run.json"
        self._entity = entity
        self._resumed = purge_step is not None
        self._step: int | None = None
        self._row: dict[str, Any] = {}
        self._first_step = 0

    @property
    @rank_zero_experiment
    def experiment(self) -> wandb.Run:
        """W&B's own object; the first use starts the run."""
        if self._experiment is None:
            self._experiment = self._started()
        return self._experiment  # type: ignore[return-value]  # for Lightning also a disabled run

    def _started(self) -> wandb.Run:
        note = self._note()
        # W&B's process reads these from the environment alone, when it starts.
        os.environ.setdefault("WANDB_CACHE_DIR", str((self._folder / "wandb" / "cache").absolute()))
        if self._offline:
            os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        import wandb

        # By default a killed process loses the last 15 s of what it has sent.
        settings = wandb.Settings(silent=True, console="off", x_transaction_log_flush_interval=0.1)
        try:
            run = wandb.init(
                project=self._project,
                entity=self._entity,
                name=self._name,
                id=note["id"],
                dir=self._folder.absolute(),
                resume="must" if self._resumed else "never",
                reinit="finish_previous",
                mode="offline" if self._offline else "online",
                settings=settings,
            )
        except wandb.Error as error:
            raise Mistake(
                f"Weights & Biases does not start: {' '.join(str(error).split())} Use `wandb "
                "login` first, or logger.wandb.offline=true."
            ) from error
        self._id = note["id"]
        self._first_step = note["next_step"] if self._offline else run.starting_step
        return run

    def _note(self) -> dict[str, Any]:
        """The id of the run, and the first step that no earlier start has sent."""
        if not self._resumed:
            self._write_note({"id": secrets.token_hex(4), "next_step": 0})
        elif not self._note_path.is_file():
            raise MissingFile(
                f"{self._note_path} is missing, which holds the id of the run to go on with; put "
                "it back, or leave this logger out."
            )
        note: dict[str, Any] = json.loads(self._note_path.read_text())
        return note

    def _write_note(self, note: dict[str, Any]) -> None:
        self._note_path.parent.mkdir(parents=True, exist_ok=True)
        with replaced(self._note_path) as unfinished:
            unfinished.write_text(json.dumps(note))

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Add values to the row of `step`, which is the last one or a new one."""
        if step != self._step:
            self.save()
            self._step = step
        self._row |= metrics

    def log_picture(self, name: str, pixels: NDArray[np.uint8], step: int) -> None:
        """Log an RGB picture ``(H, W, 3)``."""
        self.log_image(name, [pixels], step=step)

    def log_histogram(self, name: str, counted: BinCounts, step: int) -> None:
        """Log a histogram."""
        import wandb

        histogram = wandb.Histogram(np_histogram=(counted.counts, counted.edges))
        self.log_metrics({name: histogram}, step=step)

    @rank_zero_only
    def save(self) -> None:
        """Send the row."""
        row, self._row = self._row, {}
        experiment = self.experiment
        if row and self._step is not None and self._step >= self._first_step:
            experiment.log(row, step=self._step, commit=True)
            self._write_note({"id": self._id, "next_step": self._step + 1})

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """End W&B's run; one that failed leaves its last row to the run that goes on."""
        if self._experiment is None:
            return
        if status == "success":
            self.save()
        self.experiment.finish(exit_code=int(status != "success"))
