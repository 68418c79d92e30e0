"""Readers and writers of image files, a window at a time, in physical units.

A format is a file of this package and a line in `open_reader` and `create_writer`; what it needs is imported there.
"""

from __future__ import annotations

from collections.abc import Sequence

from srlab.files import PathLike, existing_file
from srlab.io.protocols import Geometry, Provenance, Reader, Window, Writer
from srlab.mistakes import Mistake

__all__ = [
    "Geometry",
    "Provenance",
    "Reader",
    "Window",
    "Writer",
    "create_writer",
    "open_reader",
]

_RASTERS = (
    *(".tif", ".tiff", ".vrt", ".jp2", ".j2k", ".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp"),
    *(
        ".img",
        ".ntf",
        ".nitf",
        ".asc",
        ".bil",
        ".dem",
        ".hgt",
        ".nc",
        ".grb",
        ".grb2",
        ".ppm",
        ".pgm",
    ),
)
_GEOTIFFS = (".tif", ".tiff")
_IMAGES = (".png", ".jpg", ".jpeg")


def open_reader(path: PathLike, *, bands: Sequence[int | str] | None = None) -> Reader:
    """Open a file of any supported format; `bands` chooses channels by number from 1 or by name.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        Where there is no such file.
    ValueError
        Where the format is unknown, or the file is damaged or lacks the bands.
    """
    file = existing_file(path)
    if _ends(file.name, _RASTERS):
        from srlab.io.raster.reader import RasterReader

        return RasterReader(path, bands=bands)
    raise Mistake(
        f"{path} is of no format that can be read: its name must end in {_listed(_RASTERS)}."
    )


def create_writer(
    path: PathLike,
    *,
    like: Reader,
    scale: tuple[int, ...],
    provenance: Provenance,
    overwrite: bool = False,
) -> Writer:
    """Begin a file with `scale` times the pixels of `like`, in the format that its name ends in.

    Raises
    ------
    FileExistsError, FileNotFoundError, IsADirectoryError, PermissionError
        Where the file exists without `overwrite`, or cannot be written there.
    ValueError
        Where the format is unknown, cannot hold what `like` holds, or `path` is the input itself.
    """
    name = str(path)
    if _ends(name, _GEOTIFFS + _IMAGES):
        from srlab.io.image.writer import ImageWriter
        from srlab.io.raster.reader import RasterReader, RasterWriter

        if not isinstance(like, RasterReader) or len(scale) != 2:
            raise Mistake(
                f"{path} would be an image, but {like} is none: write the format of the input."
            )
        writer = RasterWriter if _ends(name, _GEOTIFFS) else ImageWriter
        rows, columns = scale
        return writer(
            path, like=like, scale=(rows, columns), provenance=provenance, overwrite=overwrite
        )
    raise Mistake(
        f"{path} is of no format that can be written: its name must end in {_listed(_GEOTIFFS + _IMAGES)}."
    )


def _ends(name: str, suffixes: tuple[str, ...]) -> bool:
    # not Path.suffix, which of ".nii.gz" and ".ome.tif" sees the last part alone
    return name.lower().endswith(suffixes)


def _listed(suffixes: tuple[str, ...]) -> str:
    return f"{', '.join(suffixes[:-1])} or {suffixes[-1]}"
