"""Data: sources of LR and HR pairs, and what cuts, splits, varies and loads them.

- Sources, one for each kind of YAML in ``conf/data``: `folder`, `paired_folder`, `sensor_pair`,
  `guided_folder`, `dated_folder`, `thick_folder` and `demo`. `source` defines their interface.
- From files to regions: `files`, `masks`, `guides`, `series` and `partners` find what belongs
  together. `regions`, `rectangles` and `cuts` divide it, and `splits` holds some of it out.
- From regions to samples: `crops` draws random crops, and `fixed_views` lists validation views.
  `pairs`, `real_pairs`, `checked_pairs`, `guided` and `dated` make a pair of either.
- `module` is the one Lightning DataModule, and `sampler` gives it the positions of each step.
- `caches` keeps decoded files, and `statistics` and `scenes` measure values for normalisers.
"""

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
