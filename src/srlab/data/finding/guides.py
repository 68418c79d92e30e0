"""Guides: finer bands that are read beside those of each image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from srlab.data.caches import Cache, kept
from srlab.data.finding.files import find_files
from srlab.data.finding.partners import Named, partners
from srlab.files import PathLike
from srlab.io import Reader, open_reader
from srlab.io.guided import guided


@dataclass(frozen=True, kw_only=True)
class Guides:
    """The guides of images: bands of the same files, or of other files matched by name."""

    bands: tuple[int | str, ...]
    """The guide bands, by number from 1 or by name; empty if there are none."""

    ratio: tuple[int, ...]
    """The number of guide pixels in a pixel of the image, along each spatial axis."""

    files: Mapping[PathLike, PathLike]
    """The file with the guides of each image."""

    cache: Cache | None = None

    def beside(self, image: Reader, path: PathLike) -> Reader:
        """Put the guides of the file at `path` beside its image.

        Raises a `Mistake` if they cannot be opened or do not fit.
        """
        if not self.bands:
            return image
        guide = open_reader(self.files[path], bands=self.bands)
        return guided(image, kept(guide, self.bands, self.cache), ratio=self.ratio)


def guide_files(
    images: Named, guide_root: str | None, guide_name: str, *, suffixes: Sequence[str]
) -> dict[PathLike, PathLike]:
    """Return the file with the guides of each image that has one.

    With a `guide_root` of None the guides are in the image's own file. If there is one image and
    one guide file, their names do not matter.
    """
    if guide_root is None:
        return {path: path for path in images.files}
    guides = find_files(guide_root, suffixes, key="data.guide_root")
    if len(images.files) == len(guides) == 1:
        return {images.files[0]: guides[0]}
    named = Named("guide", "data.guide_name", guide_name, guides)
    return dict(partners(images, named, suffixes=suffixes))
