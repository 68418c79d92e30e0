"""Judging whether measured LR and HR show the same ground."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot
from typing import Literal

import numpy as np

from srlab.data.pairing.registration import shift_between
from srlab.data.sources.source import Sample
from srlab.mistakes import Mistake

Fault = Literal["overlap", "shift"]


@dataclass(frozen=True)
class Finding:
    """The overlap and the shift of a window of LR and HR, and whether either is a fault."""

    overlap: float
    """The share of pixels that hold data in both and that no mask hides, from 0 to 1."""

    shift: tuple[float, float] | None
    """The shift in HR rows and columns; None where it was not measured."""

    fault: Fault | None
    """The reason for which the window is refused, or None if it is good."""


@dataclass(frozen=True)
class SameGround:
    """Judges windows of LR and HR by their overlap and by their shift.

    At least a share of `valid_share` of a window's pixels must hold data in both. The shift that
    phase correlation finds (`registration`) must be at most `max_shift` HR pixels; None
    allows any. The mean of the channels `lr_channels` of LR is compared with that of the channels
    `hr_channels` of HR. Without texture the shift found is arbitrary, so such windows are mostly
    refused.

    Raises a `Mistake` if `max_shift` is not above 0.
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
        """Judge a pair whose missing pixels are filled."""
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
        """Return the reasons for which some of the windows are refused, as a line."""
        faults = Counter(finding.fault for finding in findings)
        reasons = []
        if faults["overlap"]:
            reasons.append(
                f"{faults['overlap']} hold data of both in less than {self.valid_share:.0%}"
            )
        if faults["shift"]:
            shifted = [finding for finding in findings if finding.fault == "shift"]
            rows, columns = np.median([finding.shift for finding in shifted], axis=0)
            reasons.append(
                f"in {faults['shift']} HR lies more than {self.max_shift:g} HR pixels beside LR, "
                f"in the middle {rows:.1f} rows and {columns:.1f} columns"
            )
        return f"of {len(findings)} windows {' and '.join(reasons)}"
