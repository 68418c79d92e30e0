"""Splits of files into training and validation that share no ground."""

from srlab.data.splits.blocks import Blocks
from srlab.data.splits.groups import Groups
from srlab.data.splits.listed import Listed
from srlab.data.splits.protocol import Parted, Split
from srlab.data.splits.record import Saved
from srlab.data.splits.whole_files import WholeFiles

__all__ = ["Blocks", "Groups", "Listed", "Parted", "Saved", "Split", "WholeFiles"]
