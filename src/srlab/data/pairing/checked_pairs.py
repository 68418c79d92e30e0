"""Measured pairs of LR and HR, checked window by window to show the same ground."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from srlab.data.measuring.scenes import Scenes
from srlab.data.pairing.real_pairs import RealPairs
from srlab.data.pairing.same_ground import Finding, SameGround
from srlab.data.places.regions import Region
from srlab.data.places.symmetries import UNTURNED, Turn
from srlab.data.sources.source import Sample

log = logging.getLogger(__name__)

REPORTED = 64
"""The number of windows after which a process logs, once, how many it refused."""


@dataclass(frozen=True)
class CheckedPairs:
    """Makes pairs, and accepts only windows in which LR and HR show the same ground."""

    pairs: RealPairs
    ground: SameGround
    findings: list[Finding] = field(default_factory=list)
    """The findings of the first `REPORTED` windows that this process judged."""

    @property
    def scale(self) -> tuple[int, ...]:
        """The factor from LR to HR along each spatial axis."""
        return self.pairs.scale

    @property
    def leading(self) -> int:
        """The number of leading axes of the files that pairs do not have."""
        return self.pairs.leading

    @property
    def scenes(self) -> Scenes:
        """The statistics of the files, once they are gathered."""
        return self.pairs.scenes

    @property
    def step(self) -> tuple[int, ...]:
        """The HR pixels on whose multiples a part must begin: those of an LR pixel."""
        return self.pairs.step

    def random(self, position: int) -> np.random.Generator:
        """Return the one source of randomness of the sample at `position`."""
        return self.pairs.random(position)

    def judged(self, region: Region) -> Finding:
        """Judge a part of an HR file with the LR of the same place."""
        return self.ground(self.pairs.of(region.read(), region, self.random(0)))

    def accepts(self, region: Region) -> bool:
        """Whether a part of an HR file and the LR of the same place show the same ground."""
        finding = self.judged(region)
        if len(self.findings) < REPORTED:
            self.findings.append(finding)
            if len(self.findings) == REPORTED:
                self._log_refused()
        return finding.fault is None

    def of(
        self,
        hr: NDArray[np.float32],
        region: Region,
        random: np.random.Generator,
        turn: Turn = UNTURNED,
    ) -> Sample:
        """Pair HR ``(C, *S)`` of a region with LR of the same place; see `RealPairs.of`."""
        return self.pairs.of(hr, region, random, turn)

    def _log_refused(self) -> None:
        if any(finding.fault for finding in self.findings):
            refusal = self.ground.refusal(self.findings)
            log.info("windows of other ground in LR than in HR are passed over: %s", refusal)
