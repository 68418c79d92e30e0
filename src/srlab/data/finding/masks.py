"""Masks: images of classes, some of which, such as clouds, are hidden from training."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from srlab.data.caches import Cache, kept
from srlab.data.finding.partners import PLACE, stem
from srlab.data.finding.usable import LeftOut
from srlab.files import PathLike, file_and_image
from srlab.io import Reader, open_reader
from srlab.io.masked import HiddenClasses
from srlab.mistakes import MissingFile, Mistake


@dataclass(frozen=True, kw_only=True)
class Masks:
    """Hides the pixels of `hidden_classes` by a mask of each image.

    `mask` is a band of the image's own file or product, by number or name. If it contains
    ``{name}``, which stands for the image's name without its ending, it is a file beside the image.
    With None there are no masks, and nothing is hidden.

    Raises a `Mistake` if there is a mask and no class to hide.
    """

    mask: int | str | None
    hidden_classes: Sequence[int]
    suffixes: Sequence[str]
    cache: Cache | None = None

    def __post_init__(self) -> None:
        if self.mask is not None and not self.hidden_classes:
            raise Mistake(
                f"data.mask is {self.mask} and data.hidden_classes is empty, so nothing would be "
                "hidden: give the classes, or data.mask=null."
            )

    def without_masks(self, paths: Sequence[PathLike]) -> Sequence[PathLike]:
        """Return the paths that are no masks; a mask may lie beside its image with its ending."""
        if not self._is_file:
            return paths
        masks = {os.path.normpath(self._beside(path)) for path in paths}
        return [path for path in paths if os.path.normpath(path) not in masks]

    def over(self, reader: Reader) -> Reader:
        """Return a reader that gives NaN for the hidden classes of a file.

        Raises a `Mistake` if the mask is missing or does not fit.
        """
        if self.mask is None:
            return reader
        try:
            mask = kept(self._opened(str(reader)), [self.mask], self.cache)
            return HiddenClasses(reader, mask, self.hidden_classes)
        except Mistake as error:
            raise Mistake(f"data.mask={self.mask}: {error}") from error

    def over_each(self, readers: Iterable[Reader], left_out: LeftOut) -> Iterator[Reader]:
        """Hide the classes of each file; files whose mask fails go to `left_out`."""
        for reader in readers:
            try:
                yield self.over(reader)
            except Mistake as error:
                left_out.add(str(reader), error)

    @property
    def _is_file(self) -> bool:
        return PLACE in str(self.mask)

    def _beside(self, path: PathLike) -> str:
        name = str(self.mask).replace(PLACE, stem(path, self.suffixes))
        return os.path.join(os.path.dirname(file_and_image(path)[0]), name)

    def _opened(self, path: str) -> Reader:
        if self.mask is not None and not self._is_file:
            return open_reader(path, bands=[self.mask])
        place = self._beside(path)
        try:
            return open_reader(place)
        except MissingFile as error:
            raise MissingFile(
                f"the mask {place} of {path} does not exist: add it, or remove the image."
            ) from error
