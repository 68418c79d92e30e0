"""Subjects, clips and other groups of files for validation."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from srlab.data.regions import Region
from srlab.data.splits.ground import together
from srlab.data.splits.protocol import Parted, assigned
from srlab.data.splits.shares import checked_fraction, chosen_evenly
from srlab.data.splits.whole_files import WholeFiles
from srlab.mistakes import Mistake


class Groups:
    """Holds out whole groups of files, such as all of a subject or of a clip.

    Files are of one group if what `pattern`, a regular expression, finds first in their paths is
    the same. Of N groups every k-th is held out, a share of `fraction`. Groups that cover the same
    ground count as one. Of a single file it is the end of the longest axis, as in `WholeFiles`.
    """

    def __init__(self, *, pattern: str, fraction: float) -> None:
        try:
            self.pattern = re.compile(pattern)
        except re.error as error:
            raise Mistake(f"pattern is {pattern!r}, no regular expression: {error}.") from error
        self.fraction = checked_fraction(fraction)

    def __call__(self, regions: Sequence[Region]) -> Parted:
        """Split regions, each of a whole file.

        Raises a `Mistake` if the pattern does not fit a path, or all files are of one group.
        """
        if len(regions) == 1:
            return WholeFiles(fraction=self.fraction)(regions)
        labels = [self._label(str(region.reader)) for region in regions]
        groups = together(regions, labels=labels)
        if len(groups) < 2:
            raise Mistake(
                f"all {len(regions)} files are of one group, {labels[0]!r}, by split.pattern="
                f"{self.pattern.pattern}; two groups are wanted at least: choose another split."
            )
        return assigned(groups, held=chosen_evenly(len(groups), self.fraction))

    def _label(self, name: str) -> str:
        path = name.replace(os.sep, "/")
        found = self.pattern.search(path)
        if found is None:
            raise Mistake(
                f"{name} is of no group by split.pattern={self.pattern.pattern}: set the pattern "
                "to fit the files' paths, or choose another split."
            )
        return found[0]
