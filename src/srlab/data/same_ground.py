"""Whether LR and HR that were both measured show one place at one time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot
from typing import Literal

import numpy as np

from srlab.data.registration import shift_between
from srlab.data.source import Sample
from srlab.mistakes import Mistake

Fault = Literal["overlap", "shift"]


@dataclass(frozen=True)
class Finding:
    """The ground that a window of LR and HR share, and how far they lie beside each other."""

    overlap: float
    """The share of pixels that hold data in both, and that no mask hides."""

    shift: tuple[float, float] | None
    """HR rows and columns; None where it was not measured."""

    fault: Fault | None
    """What is wrong with the window, if anything."""


@dataclass(frozen=True)
class SameGround:
    """Judges windows of LR and HR by their overlap and by their shift.

    A window needs at least a share of `valid_share` of pixels that hold data in both. It may be
    shifted by at most `max_shift` HR pixels (None: by any number), as phase correlation finds it
    (`srlab.data.registration`). The mean of the LR channels at `lr_channels` is compared with that
    of the HR channels at `hr_channels`. Where neither shows texture no shift can be told. Such
    windows are mostly refused, too.
    """

    scale: tuple[int, ...]
    valid_share: float
    max_shift: float | None
    lr_channels: Sequence[int]
    hr_channels: Sequence[int]

    def __post_init__(self) -> None:
        if self.max_shift is not None and not self.max_shift > 0:
            raise Mistake(
                f"data.max_shift is {self.max_shift}; give HR pixels above 0, such as 1, or null."
            )

    def __call__(self, sample: Sample) -> Finding:
        """Judge a pair; what is missing in it is filled."""
        overlap = 1.0
        if "valid" in sample:
            overlap = float(sample["valid"].float().mean())
        if overlap < self.valid_share:
            return Finding(overlap, None, "overlap")
        if self.max_shift is None:
            return Finding(overlap, None, None)
        lr = sample["lr"].numpy()[list(self.lr_channels)]
        hr = sample["hr"].numpy()[list(self.hr_channels)]
        shift = shift_between(lr, hr, self.scale)
        fault: Fault | None = None
        if hypot(*shift) > self.max_shift:
            fault = "shift"
        return Finding(overlap, shift, fault)

    def refusal(self, findings: Sequence[Finding]) -> str:
        """Say what is wrong with windows of which some are refused."""
        faults = Counter(finding.fault for finding in findings)
        reasons = []
        if faults["overlap"]:
            reasons.append(
                f"{faults['overlap']} hold data of both in less than {self.valid_share:.0%}"
            )
        if faults["shift"]:
            shifts = [each.shift for each in findings if each.fault == "shift" and each.shift]
            rows, columns = np.median(shifts, axis=0)
            reasons.append(
                f"in {faults['shift']} HR lies more than {self.max_shift:g} HR pixels beside LR, "
                f"in the middle {rows:.1f} rows and {columns:.1f} columns"
            )
        return f"of {len(findings)} windows {' and '.join(reasons)}"
