"""The files of a Sentinel-2 product, of level 1C or 2A, and the choice of bands among them.

A product holds each band in a file of its own, on one grid or on several. The layout is specified
in ESA's Sentinel-2 Products Specification Document.
"""

from __future__ import annotations

import logging
import os
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from srlab.io.damage import CHECK_ENDING, COPY_AGAIN
from srlab.io.raster.sentinel2.metadata import Radiometry, radiometry_of_name, read_metadata
from srlab.mistakes import Mistake

log = logging.getLogger(__name__)

CLASSES = "SCL"
"""The name of level 2A's scene classification: clouds, their shadows, snow and so on."""

NATIVE = {
    **dict.fromkeys(("B02", "B03", "B04", "B08"), 10),
    **dict.fromkeys(("B05", "B06", "B07", "B8A", "B11", "B12"), 20),
    **dict.fromkeys(("B01", "B09", "B10"), 60),
    CLASSES: 20,
}
"""The native pixel size of each band, and of the classification, in metres."""

MOST_METADATA = 64 * 2**20
"""The most bytes of metadata that are read; those of real products are about 50 kB."""

_DAMAGE = (BadZipFile, OSError, EOFError, RuntimeError, UnicodeError, zlib.error)
"""The errors of a damaged, encrypted or unusual zip."""

_IMAGE = re.compile(r"IMG_DATA/(?:R\d\dm/)?[^/]*_(B\d[\dA]|SCL)(?:_(\d\d)m)?\.jp2$")
"""A file of an image within a product: the band, and its grid in metres (only level 2A)."""

_METADATA = re.compile(r"(?:^|/)(?:MTD_MSIL..|S2[^/]*_MTD_[^/]*)\.xml$")


@dataclass(frozen=True)
class BandFile:
    """A band on one grid, in a file of its own."""

    name: str
    """The name of the band, such as ``B02`` or ``SCL``."""

    metres: int
    """The pixel size of the grid."""

    path: str
    """The name by which GDAL opens the file; inside a zip it begins with ``/vsizip/``."""


@dataclass(frozen=True)
class Product:
    """A Sentinel-2 product: its bands on each grid, and the meaning of their stored values."""

    path: Path
    files: tuple[BandFile, ...]
    radiometry: Radiometry
    tags: Mapping[str, str]

    def choose(self, bands: Sequence[int | str] | None) -> tuple[BandFile, ...]:
        """Return the files of some bands, all on one grid; None chooses the bands of 10 m.

        Bands are chosen by name; numbers from 1 choose among the bands of 10 m. The grid is the
        finest one whose pixels are not smaller than the native pixels of any chosen band. A name
        may state another grid, as ``B02_20m`` does.

        Raises a `Mistake` that lists the bands of all grids if no grid has all chosen bands.
        """
        standard = [file.name for file in self.files if file.metres == NATIVE[file.name] == 10]
        if bands is None:
            bands = standard
        if isinstance(bands, str) or not bands:
            raise Mistake(f"bands is {bands!r}; give a list of names, such as [B04, B03, B02].")
        wanted = [self._name_and_grid(band, standard) for band in bands]
        stated_grids = {metres for _, metres in wanted if metres is not None}
        coarsest = max(NATIVE.get(name, 0) for name, _ in wanted)
        for grid in sorted({file.metres for file in self.files}):
            fits = stated_grids == {grid} if stated_grids else grid >= coarsest
            on_grid = {file.name: file for file in self.files if file.metres == grid}
            if fits and all(name in on_grid for name, _ in wanted):
                return tuple(on_grid[name] for name, _ in wanted)
        raise Mistake(
            f"{self.path} has not all of the bands {', '.join(map(str, bands))} on one grid; it "
            f"has {self._listed()}."
        )

    def _name_and_grid(self, band: int | str, standard: Sequence[str]) -> tuple[str, int | None]:
        """Return the name of a band, and the grid in metres that was stated with it, or None.

        `standard` are the names that numbers from 1 stand for.
        """
        if isinstance(band, int):
            if not 1 <= band <= len(standard):
                raise Mistake(
                    f"{self.path} has no band {band}; name the bands, as in [B04, B03, B02]. It "
                    f"has {self._listed()}."
                )
            return standard[band - 1], None
        name, _, grid = band.upper().partition("_")
        number = re.fullmatch(r"B(\d)", name)
        if number:
            name = f"B0{number[1]}"  # the metadata write B2
        metres = re.fullmatch(r"(\d\d)M", grid)
        if grid and not metres:
            raise Mistake(f"the band {band!r} names no grid; write it as in B05_20m.")
        return name, int(metres[1]) if metres else None

    def _listed(self) -> str:
        grids: dict[int, list[str]] = {}
        for file in self.files:
            grids.setdefault(file.metres, []).append(file.name)
        parts = (f"{', '.join(names)} at {metres} m" for metres, names in sorted(grids.items()))
        return "; ".join(parts)


def open_product(path: Path) -> Product:
    """List the files of a SAFE folder, or of a zip of one, and read its metadata.

    Raises a `Mistake` if there is no band, or several tiles, or if nothing tells the meaning of the
    stored values.
    """
    members = dict(sorted(_members(path)))
    files = tuple(_band_files(path, members))
    metadata = [name for name in members if _METADATA.search(name)]
    if metadata:
        # The metadata of the product lie at the top, those of a granule deeper.
        content = _content(path, min(metadata, key=lambda name: name.count("/")))
        radiometry, tags = read_metadata(content, path)
        return Product(path, files, radiometry, tags)
    names = [path.name, *members]
    radiometry = radiometry_of_name(names, path)
    _warn_of_missing_metadata(path, radiometry.offset("B02"))
    return Product(path, files, radiometry, {})


@cache
def _warn_of_missing_metadata(path: Path, offset: float) -> None:
    """Warn once only, although a command opens its input several times."""
    log.warning(
        "%s has no MTD_MSIL*.xml; by the processing baseline in its name the offset is %g",
        path,
        offset,
    )


def _band_files(path: Path, members: Mapping[str, str]) -> Iterator[BandFile]:
    """Yield the files of bands among the members of a product; see `_members`."""
    seen: dict[tuple[str, int], str] = {}
    for member, target in members.items():
        match = _IMAGE.search(member)
        if not match or not member.isprintable():  # names in a damaged zip may be anything
            continue
        name, grid = match.groups()
        metres = int(grid) if grid else NATIVE[name]
        if (name, metres) in seen:
            raise Mistake(
                f"{path} holds several tiles ({seen[name, metres]} and {member}): give a product "
                "of one tile, or a band's own file."
            )
        seen[name, metres] = member
        yield BandFile(name, metres, target)
    if not seen:
        raise Mistake(
            f"{path} holds no band of Sentinel-2 (GRANULE/*/IMG_DATA/*_B02*.jp2): unpack "
            "it whole, or check that it is a SAFE product."
        )


def _members(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the name of each file within the product, and the name by which GDAL opens it."""
    if path.is_dir():
        for folder, _, names in os.walk(path):
            for name in names:
                file = Path(folder, name)
                yield file.relative_to(path).as_posix(), str(file)
        return
    with _archive(path) as archive:
        for name in archive.namelist():
            yield name, f"/vsizip/{{{path}}}/{name}"


@contextmanager
def _archive(path: Path) -> Iterator[ZipFile]:
    """Open a zip; errors of reading it become a `Mistake`."""
    try:
        with ZipFile(path) as archive:
            yield archive
    except _DAMAGE as error:
        reason = " ".join(str(error).split())
        raise Mistake(f"{path} is no zip of a SAFE product ({reason}). {CHECK_ENDING}") from error


def _content(path: Path, member: str) -> bytes:
    """Return the content of a file of metadata; a `Mistake` if it is absurdly large."""
    if path.is_dir():
        with (path / member).open("rb") as opened:
            content = opened.read(MOST_METADATA + 1)
    else:
        with _archive(path) as archive, archive.open(member) as opened:
            content = opened.read(MOST_METADATA + 1)
    if len(content) > MOST_METADATA:
        raise Mistake(
            f"{path} has metadata ({member}) of more than {MOST_METADATA} bytes, which no "
            f"product has. {COPY_AGAIN}"
        )
    return content
