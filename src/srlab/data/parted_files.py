"""The parts of files that a source offers, and the measures of these."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from srlab.data.crops import RandomCrops
from srlab.data.fixed_views import FixedViews
from srlab.data.parts import Parts
from srlab.data.scenes import Scenes
from srlab.data.statistics import measure, measure_lr
from srlab.io import Reader
from srlab.normalisers.statistics import Statistics


class PartedFiles:
    """A source of files: a class of this kind sets the three attributes, and opens the files.

    It offers what `srlab.data.source.MeasuredSource` asks of a source.
    """

    parts: Parts

    readers: Sequence[Reader]
    """The files whose statistics are their scenes'; those of LR where that was measured."""

    scenes: Scenes

    @property
    def training(self) -> RandomCrops:
        """Random crops of what is not held out.

        Files that are too small are left out. The place of a crop that cannot be read counts as one
        without data.
        """
        return self.parts.training

    @property
    def validation(self) -> FixedViews:
        """Views of what is held out."""
        return self.parts.validation

    @property
    def test(self) -> FixedViews:
        """Views that cover all files."""
        return self.parts.test

    def statistics(self) -> Statistics:
        """Measure the training split of the files that serve as HR, in one pass.

        Values are in physical units. Where guides or dates are read beside HR, their channels
        follow.
        """
        training = self.training
        channels = len(training.parts[0].reader.description.channels)
        return measure(training.scan(), channels=channels)

    def lr_statistics(self) -> Statistics:
        """Measure LR of the training split, in physical units, in one pass: all its channels."""
        return measure_lr(self.training.scan_pairs())

    def gather_scenes(self, cache: Path) -> None:
        """Measure each file as a whole; from then on, samples carry its ``scene``."""
        self.scenes.gather(self.readers, cache)
