"""Splits of files into training and validation parts that share no ground.

`protocol` is the interface. `whole_files`, `groups`, `listed` and `blocks` decide what to hold out,
and `record` repeats the split of an earlier run. `ground` finds files of the same ground, and
`mosaic` joins those on one grid. `shares` turns a fraction into a number of files.
"""

from srlab.data.splits.blocks import Blocks
from srlab.data.splits.groups import Groups
from srlab.data.splits.listed import Listed
from srlab.data.splits.protocol import Parted, Split
from srlab.data.splits.record import Saved
from srlab.data.splits.whole_files import WholeFiles

__all__ = ["Blocks", "Groups", "Listed", "Parted", "Saved", "Split", "WholeFiles"]
