"""Callbacks: what happens around training, one a file."""

from srlab.training.callbacks.checkpoints import Checkpoints
from srlab.training.callbacks.divergence import Divergence
from srlab.training.callbacks.histograms import Histograms
from srlab.training.callbacks.image_grid import ImageGrid
from srlab.training.callbacks.preemption import Preemption
from srlab.training.callbacks.progress import Progress

__all__ = ["Checkpoints", "Divergence", "Histograms", "ImageGrid", "Preemption", "Progress"]
