"""TensorBoard."""

from __future__ import annotations

import numpy as np
from lightning.pytorch.loggers import TensorBoardLogger as LightningTensorBoardLogger
from numpy.typing import NDArray

from srlab.training.loggers.visual import BinCounts


class TensorBoardLogger(LightningTensorBoardLogger):
    """Lightning's logger, which also takes pictures and histograms.

    A resumed run drops what an earlier start logged at or after `purge_step`.
    """

    def log_picture(self, name: str, pixels: NDArray[np.uint8], step: int) -> None:
        """Log an RGB picture ``(H, W, 3)``."""
        self.experiment.add_image(name, pixels, global_step=step, dataformats="HWC")

    def log_histogram(self, name: str, counted: BinCounts, step: int) -> None:
        """Log a histogram; each value counts as its bin's centre in TensorBoard's mean."""
        counts, edges = counted.counts, counted.edges
        centres = (edges[1:] + edges[:-1]) / 2
        self.experiment.add_histogram_raw(
            name,
            min=edges[0],
            max=edges[-1],
            num=counts.sum(),
            sum=(counts * centres).sum(),
            sum_squares=(counts * centres**2).sum(),
            bucket_limits=edges[1:],
            bucket_counts=counts,
            global_step=step,
        )
