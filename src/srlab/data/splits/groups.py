"""Groups: a split that holds out whole groups of files, such as subjects or clips."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from srlab.data.places.regions import Region
from srlab.data.splits.ground import together
from srlab.data.splits.protocol import Parted, assigned
from srlab.data.splits.shares import checked_fraction, chosen_evenly
from srlab.data.splits.whole_files import WholeFiles
from srlab.mistakes import Mistake


class Groups:
    """Holds out whole groups of files, such as all files of a subject or of a clip.

    The group of a file is the first match of `pattern`, a regular expression, in its path. Of N
    groups every k-th is held out, a share of `fraction` in all. Groups that cover the same ground
    count as one. Of a single file the end of the longest axis is held out, as in `WholeFiles`.

    Raises a `Mistake` if the pattern is no regular expression, or `fraction` is not between 0 and
    1.
    """

    def __init__(self, *, pattern: str, fraction: float) -> None:
        try:
            self.pattern = re.compile(pattern)
        except re.error as error:
            raise Mistake(f"pattern is {pattern!r}, no regular expression: {error}.") from error
        self.fraction = checked_fraction(fraction)

    def __call__(self, regions: Sequence[Region]) -> Parted:
        """Split regions, each of a whole file.

        Raises a `Mistake` if the pattern matches nothing in a path, or all files are in one group.
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
        match = self.pattern.search(path)
        if match is None:
            raise Mistake(
                f"{name} is of no group by split.pattern={self.pattern.pattern}: set the pattern "
                "to fit the files' paths, or choose another split."
            )
        return match[0]
