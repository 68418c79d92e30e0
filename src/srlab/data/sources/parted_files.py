"""What all sources of files have in common: their parts, and the statistics of these."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from srlab.data.measuring.scenes import Scenes
from srlab.data.measuring.statistics import measure, measure_lr
from srlab.data.places.crops import RandomCrops
from srlab.data.places.fixed_views import FixedViews
from srlab.data.places.parts import Parts
from srlab.io import Reader
from srlab.normalisers.statistics import Statistics


class PartedFiles:
    """The properties and methods that sources of files share (`MeasuredSource`).

    A subclass opens the files in its constructor and sets the three attributes.
    """

    parts: Parts

    readers: Sequence[Reader]
    """The files that `gather_scenes` measures; the LR files where LR was measured."""

    scenes: Scenes

    @property
    def training(self) -> RandomCrops:
        """Random crops of the regions that are not held out.

        Files that are too small are left out. A crop that cannot be read counts as one without
        data.
        """
        return self.parts.training

    @property
    def validation(self) -> FixedViews:
        """Views of the regions that are held out."""
        return self.parts.validation

    @property
    def test(self) -> FixedViews:
        """Views that cover all files."""
        return self.parts.test

    def statistics(self) -> Statistics:
        """Measure the training split of the HR files in one pass, in physical units.

        The channels are those of HR, followed by those of guides or further dates.
        """
        training = self.training
        channels = len(training.parts[0].reader.description.channels)
        return measure(training.scan(), channels=channels)

    def lr_statistics(self) -> Statistics:
        """Measure all channels of LR of the training split in one pass, in physical units."""
        return measure_lr(self.training.scan_pairs())

    def gather_scenes(self, cache: Path) -> None:
        """Measure each file as a whole; from then on, samples carry its ``scene``."""
        self.scenes.gather(self.readers, cache)
