"""Callbacks: work that is done around training steps and validations, one kind in each file.

Their hooks annotate the module as ``GAN | Any``. Lightning's base class requires that any module is
accepted, and so the type checker still knows the attributes of a GAN.
"""

from srlab.training.callbacks.checkpoints import Checkpoints
from srlab.training.callbacks.divergence import Divergence
from srlab.training.callbacks.histograms import Histograms
from srlab.training.callbacks.image_grid import ImageGrid
from srlab.training.callbacks.preemption import Preemption
from srlab.training.callbacks.progress import Progress

__all__ = ["Checkpoints", "Divergence", "Histograms", "ImageGrid", "Preemption", "Progress"]
