"""Fixed views: given regions of files, for validation and tests."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cached_property

from srlab.data.pairing.pairs import PairMaker
from srlab.data.places.regions import Region, aligned
from srlab.data.sources.source import Sample
from srlab.mistakes import Mistake, UnfitFile

log = logging.getLogger(__name__)


class FixedViews:
    """A dataset of given regions of files, cropped to multiples of the scale.

    Regions that `pairing` does not accept are left out when views are first counted.

    Raises an `UnfitFile` if a region is smaller than an LR pixel.
    """

    def __init__(self, regions: Sequence[Region], pairing: PairMaker) -> None:
        self._cropped: list[Region] = []
        for whole in regions:
            region = aligned(whole, pairing.step)
            sizes = zip(region.shape, pairing.scale, strict=True)
            sides = [own - own % factor for own, factor in sizes]
            if not all(sides):
                raise UnfitFile(
                    f"{region.reader} is too small: a view of {region.shape} pixels is smaller "
                    f"than one LR pixel at scale {pairing.scale}; remove the file, or hold out "
                    "more of it."
                )
            self._cropped.append(region.part([0] * len(sides), sides))
        self.pairing = pairing

    @cached_property
    def regions(self) -> list[Region]:
        """The regions that `pairing` accepts; a message counts the others."""
        accepted = list(filter(self.pairing.accepts, self._cropped))
        refused = len(self._cropped) - len(accepted)
        if refused and not accepted:
            raise Mistake(
                f"none of the {refused} views is fit for use: LR and HR show different ground in "
                "each; choose other files, or loosen data.max_shift or data.valid_share."
            )
        if refused:
            log.info(
                "%d of %d views are left out: LR and HR show different ground there",
                refused, len(self._cropped),
            )  # fmt: skip
        return accepted

    def __len__(self) -> int:
        return len(self.regions)

    def __getitem__(self, position: int) -> Sample:
        """Return the view at `position`."""
        if not 0 <= position < len(self):
            raise IndexError(position)
        region = self.regions[position]
        return self.pairing.of(region.read(), region, self.pairing.random(position))

    def file(self, position: int) -> str:
        """Return the name of the file of the view at `position`."""
        return str(self.regions[position].reader)
