"""How a run ended, as it stands in the run's folder."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from srlab.files import replaced
from srlab.mistakes import Mistake

STATUS = "status.json"
Outcome = Literal["completed", "stopped early", "diverged"]


@dataclass(frozen=True, kw_only=True)
class Status:
    """How a run ended, after `step` generator updates, with the `best` value of `monitor`, if there was one.

    While a run is under way, and after it was interrupted, its folder has no status.
    """

    status: Outcome
    step: int
    best: float | None
    monitor: str | None

    def __str__(self) -> str:
        best = f", best {self.monitor} {self.best:.5g}" if self.best is not None else ""
        return f"{self.status} after {self.step} steps{best}"

    def write(self, folder: Path) -> None:
        """Write `status.json` to a run's folder; it is there only complete."""
        finite = self.best is not None and math.isfinite(self.best)  # JSON has no infinities
        with replaced(folder / STATUS) as unfinished:
            unfinished.write_text(
                json.dumps(asdict(self) | {"best": self.best if finite else None}) + "\n"
            )


def read_status(folder: Path) -> Status | None:
    """How the run in a folder ended; None if it has not."""
    path = folder / STATUS
    try:
        return Status(**json.loads(path.read_text())) if path.is_file() else None
    except (ValueError, TypeError) as error:
        raise Mistake(
            f"{path} is no status that srlab wrote: delete it if the run is to go on."
        ) from error
