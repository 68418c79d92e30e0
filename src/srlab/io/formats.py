"""The one table of file formats, by the ends of their names.

A format of ours is a line in `FORMATS`. Another package adds one as an entry point of the group
``srlab.formats``, whose value is a `Format`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Literal

from srlab.mistakes import Mistake

Role = Literal["reader", "writer"]


@dataclass(frozen=True)
class Format:
    """A kind of file: the ends of its names, and the classes that read and write it.

    A reader is made as ``reader(path, bands=bands)``, a writer as
    ``writer(path, description, provenance=provenance)``. Chosen `options` are further arguments of
    the writer. Both are named ``module:Class`` and are imported when they are first
    used; None where the format cannot be read or written.
    """

    name: str
    suffixes: tuple[str, ...]
    reader: str | None = None
    writer: str | None = None

    folder: bool = False
    """Whether it is a folder of files, such as ``x.zarr``."""

    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What a user may choose of its writer; of each the writer's own choice comes first."""

    slow: bool = False
    """Whether a window takes long to read, for example because the whole file is decoded."""

    own_pixels: bool = True
    """Whether the file holds its pixels itself, and so changes whenever they do."""

    def target(self, role: Role) -> str | None:
        """Return the name of the class that reads or writes the format, or None."""
        return {"reader": self.reader, "writer": self.writer}[role]

    def load(self, role: Role) -> Any:
        """Import the class that reads or writes the format."""
        module, _, name = str(self.target(role)).partition(":")
        return getattr(import_module(module), name)


_RASTER = "srlab.io.raster.reader:RasterReader"
_SUBDATASETS = "srlab.io.raster.subdatasets:SubdatasetReader"
_SENTINEL2 = "srlab.io.raster.sentinel2.reader:Sentinel2Reader"
_IMAGE = "srlab.io.image.writer:ImageWriter"
_STACK = "srlab.io.microscopy.reader:StackReader"
_VIDEO = "srlab.io.video.reader:VideoReader"
_VOLUME = "srlab.io.volume.reader:VolumeReader"

FORMATS = (
    Format(
        "GeoTIFF",
        (".tif", ".tiff"),
        "srlab.io.tiff:open_tiff",
        "srlab.io.raster.writer:GeoTiffWriter",
        options={
            "compression": ("deflate", "zstd", "none"),
            "layout": ("plain", "cog"),
            "statistics": ("false", "true"),
        },
    ),
    Format(
        "OME-TIFF", (".ome.tif", ".ome.tiff"), _STACK, "srlab.io.microscopy.writer:OmeTiffWriter"
    ),
    Format("Sentinel-2 product", (".SAFE",), _SENTINEL2, folder=True, slow=True),
    Format("zipped Sentinel-2 product", (".zip",), _SENTINEL2, slow=True),
    Format("PNG", (".png",), _RASTER, _IMAGE, slow=True),
    Format("JPEG", (".jpg", ".jpeg"), _RASTER, _IMAGE, slow=True),
    Format("WebP", (".webp",), _RASTER, _IMAGE, slow=True),
    Format("BMP", (".bmp",), _RASTER, _IMAGE, slow=True),
    Format("picture", (".gif", ".ppm", ".pgm"), _RASTER, slow=True),
    Format("JPEG 2000", (".jp2", ".j2k"), _RASTER, slow=True),
    Format("virtual raster", (".vrt",), _RASTER, own_pixels=False),
    Format("netCDF", (".nc", ".nc4"), _SUBDATASETS),
    Format("HDF5", (".h5", ".hdf5", ".he5", ".mat"), _SUBDATASETS),
    Format("ENVI", (".envi", ".dat", ".bsq", ".bip"), _RASTER),
    Format(
        "Zarr",
        (".zarr",),
        "srlab.io.zarr_store:open_zarr",
        "srlab.io.raster.zarr.writer:ZarrWriter",
        folder=True,
        options={"compression": ("zstd", "deflate", "none")},
    ),
    Format(
        "OME-Zarr",
        (".ome.zarr",),
        "srlab.io.microscopy.ome_zarr_reader:OmeZarrReader",
        "srlab.io.microscopy.ome_zarr_writer:OmeZarrWriter",
        folder=True,
        options={"compression": ("zstd", "deflate", "none"), "ome_version": ("0.4", "0.5")},
    ),
    Format("raster", (".img", ".ntf", ".nitf", ".grb", ".grb2"), _RASTER),
    Format("NIfTI", (".nii",), _VOLUME, "srlab.io.volume.writer:NiftiWriter"),
    Format("NIfTI", (".nii.gz",), _VOLUME, "srlab.io.volume.writer:NiftiWriter", slow=True),
    Format("volume", (".mgh",), _VOLUME),
    Format("compressed volume", (".mgz",), _VOLUME, slow=True),
    Format("Analyze volume", (".hdr",), _VOLUME, own_pixels=False),
    Format("video", (".mp4", ".mov", ".mkv", ".avi", ".webm"), _VIDEO, slow=True),
    Format("elevation", (".asc", ".bil", ".dem", ".hgt"), _RASTER),
)


REMOTE = Format("GDAL's names", (), _RASTER, own_pixels=False)
"""What `srlab.files.is_remote` finds, whatever it ends in."""


@cache
def known_formats() -> tuple[Format, ...]:
    """Return the formats of installed packages, then ours: of two for one name, the first counts.

    Raises a `Mistake` where an entry point's value is no `Format`.
    """
    found = []
    for point in entry_points(group="srlab.formats"):
        value = point.load()
        if not isinstance(value, Format):
            raise Mistake(
                f"the entry point {point.name!r} of the group srlab.formats is {value!r}; its "
                "value must be a srlab.io.formats.Format: mend or remove the package that has it."
            )
        found.append(value)
    return (*found, *FORMATS)


def ending(name: str, suffixes: Sequence[str]) -> str | None:
    """Return the longest of `suffixes` in which a file's name ends, in either case, or None.

    The whole name counts: of ``.ome.tif``, ``Path.suffix`` would see the last part alone.
    """
    found = [suffix for suffix in suffixes if name.lower().endswith(suffix.lower())]
    return max(found, key=len, default=None)


def find_format(name: str, role: Role) -> Format | None:
    """Return the format with the longest ending of `name` that has a reader or writer, or None."""
    able = [form for form in known_formats() if form.target(role)]
    fitting = [form for form in able if ending(name, form.suffixes)]
    return max(fitting, key=lambda form: len(ending(name, form.suffixes) or ""), default=None)


def suffixes_of(role: Role) -> tuple[str, ...]:
    """Return the endings of every format that has a reader or writer, in the table's order."""
    ends: dict[str, None] = {}
    for form in known_formats():
        if form.target(role):
            ends |= dict.fromkeys(form.suffixes)
    return tuple(ends)


def may_be_folder(suffix: str) -> bool:
    """Whether a folder whose name ends in `suffix` may be an image: unless all such are files."""
    claims = [form.folder for form in known_formats() if suffix.lower() in form.suffixes]
    return any(claims) or not claims
