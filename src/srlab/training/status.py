"""Status: the record in a run's folder of how the run ended."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from srlab.files import replaced
from srlab.mistakes import Mistake

STATUS = "status.json"
Outcome = Literal["completed", "stopped early", "diverged"]

ACCURACIES = ("val/accuracy_real", "val/accuracy_fake")
"""The values that validation logs besides the metrics, once a discriminator has been trained."""


@dataclass(frozen=True, kw_only=True)
class Status:
    """The outcome of a run that has ended.

    A run that is still running or was interrupted has no status.
    """

    status: Outcome

    step: int
    """The number of generator updates done."""

    best: float | None
    """The best value of `monitor`; None if no validation reported one."""

    monitor: str | None
    """The name of the value that decides which checkpoint is best."""

    def __str__(self) -> str:
        text = f"{self.status} after {self.step} steps"
        if self.best is not None:
            text += f", best {self.monitor} {self.best:.5g}"
        return text

    def write(self, folder: Path) -> None:
        """Write ``status.json`` to a run's folder, completely or not at all."""
        written = self
        if self.best is not None and not math.isfinite(self.best):
            written = replace(self, best=None)  # JSON cannot hold an infinite number.
        with replaced(folder / STATUS) as unfinished:
            unfinished.write_text(json.dumps(asdict(written)) + "\n")


def read_status(folder: Path) -> Status | None:
    """Read the status of the run in a folder; None if the run has not ended.

    Raises a `Mistake` if the file holds something else.
    """
    path = folder / STATUS
    if not path.is_file():
        return None
    try:
        return Status(**json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise Mistake(
            f"{path} is not a status that srlab wrote; delete the file to resume the run."
        ) from error
