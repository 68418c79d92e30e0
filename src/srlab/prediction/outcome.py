"""What there is to say of an output when it is whole."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from srlab.prediction.journal import Done


@dataclass
class Outcome:
    """Counts of an output of a number of `pixels`."""

    pixels: int
    done: int = 0
    earlier: int = 0
    """Those of `done` that an earlier process did."""

    empty: int = 0
    clipped: int = 0
    started: float = field(default_factory=time.monotonic)

    def add(self, block: Done, *, earlier: bool = False) -> None:
        """Count a block."""
        self.done += block.pixels
        self.empty += block.empty
        self.clipped += sum(block.clipped)
        if earlier:
            self.earlier += block.pixels

    def __str__(self) -> str:
        """Return the counts in words, for the console."""
        seconds = time.monotonic() - self.started
        rate = (self.done - self.earlier) / max(seconds, 1e-3)
        parts = [f"{self.pixels / 1e6:.3g} Mpx in {seconds:.1f} s ({rate / 1e6:.3g} Mpx/s)"]
        if self.earlier:
            parts.append(f"{self.earlier / self.pixels:.0%} done before")
        memory = peak_memory()
        if memory:
            parts.append(f"{memory / 1e6:.0f} MB of memory at most")
        parts.append(f"{self.clipped} values clipped")
        parts.append(f"{self.empty / self.pixels:.1%} without data")
        return ", ".join(parts)


def peak_memory() -> int | None:
    """Return the most bytes of memory that this process has had, where Linux tells."""
    try:
        with open("/proc/self/status") as status:
            (line,) = [each for each in status if each.startswith("VmHWM")]
    except (OSError, ValueError):
        return None
    return int(line.split()[1]) * 1024
