"""Data: sources of training, validation and test pairs, deterministic sampling, one DataModule."""

from srlab.data.dated_folder import DatedFolder
from srlab.data.demo import DemoPhotographs
from srlab.data.folder import Folder
from srlab.data.guided_folder import GuidedFolder
from srlab.data.paired_folder import PairedFolder
from srlab.data.sensor_pair import SensorPair
from srlab.data.source import MeasuredSource, PairDataset, Sample, Source
from srlab.data.thick_folder import ThickFolder

__all__ = [
    "DatedFolder",
    "DemoPhotographs",
    "Folder",
    "GuidedFolder",
    "MeasuredSource",
    "PairDataset",
    "PairedFolder",
    "Sample",
    "SensorPair",
    "Source",
    "ThickFolder",
]
