"""MLflow, in a run's folder or on a server."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.loggers import MLFlowLogger as LightningMLFlowLogger
from lightning.pytorch.utilities import rank_zero_only
from numpy.typing import NDArray

from srlab.mistakes import MissingFile
from srlab.training.loggers.installation import require
from srlab.training.loggers.visual import BinCounts

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient


class MLFlowLogger(LightningMLFlowLogger):
    """Logs to the MLflow server at `tracking_uri`, or without one to files in ``folder/mlflow``.

    A `purge_step` says that the run is resumed. It then keeps its id, which ``folder/mlflow_run``
    holds. MLflow cannot drop what an interrupted run logged after its checkpoint. So the steps that
    it has of a metric are not sent again; resuming is exact, and they would be the same. Pictures
    and histograms are replaced.

    Files are read by ``MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri RUN/mlflow``, or
    moved into a database by ``mlflow migrate-filestore``.
    """

    def __init__(
        self,
        *,
        folder: str,
        experiment: str,
        name: str | None = None,
        tracking_uri: str | None = None,
        purge_step: int | None = None,
    ) -> None:
        require("mlflow", title="MLflow", package="mlflow-skinny")
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when MLflow is imported
        if tracking_uri is None:
            # Without a database only files work, and MLflow asks for consent to these.
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
            tracking_uri = (Path(folder) / "mlflow").absolute().as_uri()
        super().__init__(experiment_name=experiment, run_name=name, tracking_uri=tracking_uri)
        self._note = Path(folder) / "mlflow_run"
        self._resumed = purge_step is not None
        self._last_steps: dict[str, int] = {}

    @property
    @rank_zero_experiment
    def experiment(self) -> MlflowClient:
        """MLflow's client; the first use starts the run, or goes on with it."""
        if not self._initialized:
            if self._resumed:
                self._go_on()
            elif self._mlflow_client.get_experiment_by_name(self._experiment_name) is None:
                # Lightning would create it, too, but with a warning.
                self._mlflow_client.create_experiment(self._experiment_name)
        client: MlflowClient = super().experiment
        if not self._note.exists():
            assert self._run_id is not None
            self._note.write_text(self._run_id)
        return client

    def _go_on(self) -> None:
        """Find the earlier run, and the last step that it has of each metric."""
        if not self._note.is_file():
            raise MissingFile(
                f"{self._note} is missing, which holds the id of the MLflow run to go on with; put "
                "it back, or leave this logger out."
            )
        client, self._run_id = self._mlflow_client, self._note.read_text()
        client.update_run(self._run_id, status="RUNNING")
        for name in client.get_run(self._run_id).data.metrics:
            history = client.get_metric_history(self._run_id, name)
            self._last_steps[name] = max(entry.step for entry in history)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log the values that the run does not have yet."""
        assert self.experiment  # finds the last steps
        step, last = step or 0, self._last_steps
        new = {name: value for name, value in metrics.items() if step > last.get(name, -1)}
        if new:
            super().log_metrics(new, step)

    def log_picture(self, name: str, pixels: NDArray[np.uint8], step: int) -> None:
        """Keep an RGB picture ``(H, W, 3)`` as an artifact ``name/step.png``."""
        path = f"{name}/{step:08d}.png"
        self.experiment.log_image(str(self.run_id), pixels, artifact_file=path)

    def log_histogram(self, name: str, counted: BinCounts, step: int) -> None:
        """Keep counts and edges as an artifact ``name/step.json``: MLflow has no histograms."""
        content = {"counts": counted.counts.tolist(), "edges": counted.edges.tolist()}
        self.experiment.log_dict(str(self.run_id), content, f"{name}/{step:08d}.json")
