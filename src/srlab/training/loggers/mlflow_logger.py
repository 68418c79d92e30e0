"""MLflow, in a run's folder or on a server, and resumed without gaps."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.loggers import MLFlowLogger as LightningMLFlowLogger
from lightning.pytorch.utilities import rank_zero_only

from srlab.mistakes import MissingFile
from srlab.training.loggers.visual import require

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient


class MLFlowLogger(LightningMLFlowLogger):
    """Logs to the MLflow server at `tracking_uri`, or without one to files in ``folder/mlflow``.

    A run that is resumed, which `purge_step` says, keeps its id, which ``folder/mlflow_run`` holds. MLflow cannot
    drop what an interrupted run logged beyond its checkpoint, so of each metric the steps that it has are not sent
    again: as resuming is exact they are the same. Pictures and histograms are replaced.

    Files are read by ``MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri RUN/mlflow``, or moved into a
    database by ``mlflow migrate-filestore``.
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
        if (
            tracking_uri is None
        ):  # files are all that needs no database here, and MLflow asks for consent
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
                self._mlflow_client.create_experiment(
                    self._experiment_name
                )  # else Lightning does, with a warning
        client: MlflowClient = super().experiment
        if not self._note.exists():
            assert self._run_id is not None
            self._note.write_text(self._run_id)
        return client

    def _go_on(self) -> None:
        if not self._note.is_file():
            raise MissingFile(f"{self._note} is missing, which names the MLflow run to go on with.")
        client, self._run_id = self._mlflow_client, self._note.read_text()
        client.update_run(self._run_id, status="RUNNING")
        for name in client.get_run(self._run_id).data.metrics:
            self._last_steps[name] = max(
                entry.step for entry in client.get_metric_history(self._run_id, name)
            )

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log what the run does not have yet."""
        assert self.experiment
        new = {
            name: value
            for name, value in metrics.items()
            if (step or 0) > self._last_steps.get(name, -1)
        }
        if new:
            super().log_metrics(new, step)
