"""The counts that are reported of a finished output."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from srlab.prediction.journal import Done


@dataclass
class Outcome:
    """Counts of an output of a number of `pixels`."""

    pixels: int
    done: int = 0
    earlier: int = 0
    """The pixels among `done` that an earlier process computed."""

    empty: int = 0
    clipped: int = 0
    settled: Mapping[str, Any] = field(default_factory=dict)
    """The settings that were settled for the output, such as its tiles."""

    started: float = field(default_factory=time.monotonic)
    ended: float | None = None

    def add(self, block: Done, *, earlier: bool = False) -> None:
        """Count a block."""
        self.done += block.pixels
        self.empty += block.empty
        self.clipped += sum(block.clipped)
        if earlier:
            self.earlier += block.pixels

    @property
    def seconds(self) -> float:
        """The time since the work began, until it ended."""
        return (self.ended or time.monotonic()) - self.started

    def __str__(self) -> str:
        """Return the counts in words, for the console."""
        seconds = max(self.seconds, 1e-3)
        rate = (self.done - self.earlier) / seconds
        parts = [f"{self.pixels / 1e6:.3g} Mpx in {seconds:.1f} s ({rate / 1e6:.3g} Mpx/s)"]
        if self.earlier:
            parts.append(f"{self.earlier / self.pixels:.0%} done before")
        memory = peak_memory()
        if memory:
            parts.append(f"at most {memory / 1e6:.0f} MB of memory")
        parts.append(f"{self.clipped or 'no'} values clipped")
        parts.append(f"{100 * self.empty / self.pixels:.3g}% without data")
        if "seams" in self.settled:
            parts.append(self.settled["seams"])
        return ", ".join(parts)


def peak_memory() -> int | None:
    """Return the most bytes of memory that this process has had; None where it is unknown."""
    try:
        with open("/proc/self/status") as status:
            (line,) = [each for each in status if each.startswith("VmHWM")]
    except (OSError, ValueError):
        return None
    return int(line.split()[1]) * 1024
