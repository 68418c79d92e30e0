"""Data: sources of training, validation and test pairs, deterministic sampling, and one DataModule."""

from srlab.data.demo import DemoPhotographs
from srlab.data.folder import Folder
from srlab.data.source import PairDataset, Sample, Source

__all__ = ["DemoPhotographs", "Folder", "PairDataset", "Sample", "Source"]
