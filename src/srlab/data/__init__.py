"""Data: sources of LR and HR pairs, and what finds, divides, varies and loads them.

- `sources` has a class for each kind of YAML in ``conf/data``; `sources.source` is their interface.
- `finding` looks for files, matches and groups them, and reads their masks and guides.
- `measuring` measures values, for their range and unit, for statistics and for whole scenes.
- `places` divides files into regions, and draws training crops and lists views in them.
- `pairing` makes a pair of LR and HR of a region, or reads one that was measured.
- `splits` holds parts out for validation and test, and `caches` keeps decoded files.
- `module` is the one Lightning DataModule, and `sampler` gives it the positions of each step.
"""

from srlab.data.sources.dated_folder import DatedFolder
from srlab.data.sources.demo import DemoPhotographs
from srlab.data.sources.folder import Folder
from srlab.data.sources.guided_folder import GuidedFolder
from srlab.data.sources.paired_folder import PairedFolder
from srlab.data.sources.sensor_pair import SensorPair
from srlab.data.sources.source import MeasuredSource, PairDataset, Sample, Source
from srlab.data.sources.thick_folder import ThickFolder

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
