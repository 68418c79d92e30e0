"""Scalars in a CSV file, which a resumed run continues."""

from __future__ import annotations

import csv
from argparse import Namespace
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from srlab.files import replaced


class CSVLogger(Logger):
    """Writes `metrics.csv` into a folder: a row for each step, a column for each name.

    A field is blank where nothing was logged. Every value is on disk as soon as it is logged.
    With `purge_step`, the rows of an earlier run before that step are kept. Without it, an earlier
    file is replaced.
    """

    scalars_only = True

    def __init__(self, *, folder: str, purge_step: int | None = None) -> None:
        super().__init__()
        self._path = Path(folder) / "metrics.csv"
        self._columns = ["step"]
        self._step: int | None = None
        self._row: dict[str, str] = {}
        self._row_start = 0
        self._purge_step = purge_step

    @property
    def name(self) -> str:
        """The file's name."""
        return self._path.name

    @property
    def version(self) -> str:
        """Empty: a run has one file."""
        return ""

    @rank_zero_only
    def log_hyperparams(
        self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any
    ) -> None:
        """Log nothing: the run's folder holds the configuration."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Add values to the row of `step`, which is the last one or a new one."""
        if self._step is None:
            self._start()
        if step != self._step:
            self._step = step
            self._row = {"step": str(step)}
            self._row_start = self._path.stat().st_size
        self._row |= {name: repr(float(value)) for name, value in metrics.items()}
        unknown = [name for name in self._row if name not in self._columns]
        if unknown:
            self._write_all(self._rows_before(self._step), self._columns + unknown)
            self._row_start = self._path.stat().st_size
        with self._path.open("r+", newline="") as file:
            file.seek(self._row_start)
            csv.DictWriter(file, self._columns).writerow(self._row)
            file.truncate()

    def _start(self) -> None:
        """Keep the rows of the run that goes on, or begin a new file."""
        columns, rows = self._columns, self._rows_before(self._purge_step)
        if rows:
            columns = list(rows[0])
        self._write_all(rows, columns)

    def _rows_before(self, step: int | None) -> list[dict[str, str]]:
        if step is None or not self._path.exists():
            return []
        with self._path.open(newline="") as file:
            return [row for row in csv.DictReader(file) if int(row["step"]) < step]

    def _write_all(self, rows: Iterable[dict[str, str]], columns: list[str]) -> None:
        self._columns = columns
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with replaced(self._path) as unfinished, unfinished.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(rows)
