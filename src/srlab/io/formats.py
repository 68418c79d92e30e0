"""The one table of file formats, by the ends of their names.

A format of ours is a line in `FORMATS`. Another package adds one as an entry point of the group
``srlab.formats``, whose value is a `Format`.
"""

from __future__ import annotations

import os
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from srlab.files import PathLike
from srlab.io.format import Format as Format
from srlab.io.format import Role, begins, ending
from srlab.mistakes import Mistake

_RASTER = "srlab.io.raster.opening:open_raster"
_VARIABLES = "srlab.io.raster.opening:open_variables"
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
    Format("PNG", (".png",), _RASTER, _IMAGE, slow=True, floats=False),
    Format("JPEG", (".jpg", ".jpeg"), _RASTER, _IMAGE, slow=True, floats=False),
    Format("WebP", (".webp",), _RASTER, _IMAGE, slow=True, floats=False),
    Format("BMP", (".bmp",), _RASTER, _IMAGE, slow=True, floats=False),
    Format("picture", (".gif", ".ppm", ".pgm"), _RASTER, slow=True, written_as=".png"),
    Format("JPEG 2000", (".jp2", ".j2k"), _RASTER, slow=True),
    Format("virtual raster", (".vrt",), _RASTER, own_pixels=False),
    Format("netCDF", (".nc", ".nc4"), _VARIABLES),
    Format("HDF5", (".h5", ".hdf5", ".he5", ".mat"), _VARIABLES),
    Format("ENVI", (".envi", ".dat", ".bsq", ".bip"), _RASTER),
    Format(
        "Zarr",
        (".zarr",),
        "srlab.io.zarr_store:open_zarr",
        "srlab.io.zarr_store:create_zarr",
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
    Format(
        "Zeiss CZI",
        (".czi",),
        "srlab.io.microscopy.makers.czi:open_czi",
        slow=True,
        written_as=".ome.tif",
    ),
    Format(
        "Nikon ND2",
        (".nd2",),
        "srlab.io.microscopy.makers.nd2:open_nd2",
        slow=True,
        written_as=".ome.tif",
    ),
    Format(
        "Leica LIF",
        (".lif",),
        "srlab.io.microscopy.makers.lif:open_lif",
        slow=True,
        written_as=".ome.tif",
    ),
    Format("raster", (".img",), "srlab.io.img:open_img"),
    Format("raster", (".ntf", ".nitf", ".grb", ".grb2"), _RASTER),
    Format("NIfTI", (".nii",), _VOLUME, "srlab.io.volume.writer:NiftiWriter"),
    Format("NIfTI", (".nii.gz",), _VOLUME, "srlab.io.volume.writer:NiftiWriter", slow=True),
    Format("volume", (".mgh",), _VOLUME, written_as=".nii.gz"),
    Format("compressed volume", (".mgz",), _VOLUME, slow=True, written_as=".nii.gz"),
    Format(
        "DICOM series",
        (".dcm", ".dicom", ".ima"),
        "srlab.io.volume.dicom.reader:DicomReader",
        written_as=".nii.gz",
        own_pixels=False,
        magic=(128, b"DICM"),
        first_of_each="srlab.io.volume.dicom.headers:first_of_each",
    ),
    Format("Analyze volume", (".hdr",), _VOLUME, own_pixels=False, written_as=".nii.gz"),
    Format(
        "MP4",
        (".mp4", ".mov"),
        _VIDEO,
        "srlab.io.video.writer:VideoWriter",
        options={"codec": ("h264", "h265")},
        slow=True,
        floats=False,
    ),
    Format(
        "Matroska",
        (".mkv",),
        _VIDEO,
        "srlab.io.video.writer:VideoWriter",
        options={"codec": ("h264", "h265", "ffv1")},
        slow=True,
        floats=False,
    ),
    Format("video", (".avi", ".webm"), _VIDEO, slow=True, written_as=".mkv"),
    Format(
        "folder of frames",
        (".frames",),
        "srlab.io.video.folder_reader:FrameFolderReader",
        "srlab.io.video.folder_writer:FrameFolderWriter",
        folder=True,
        slow=True,
        own_pixels=False,
        floats=False,
    ),
    Format(
        "NumPy array", (".npy",), "srlab.io.array.npy:open_npy", "srlab.io.array.npy:create_npy"
    ),
    Format(
        "NumPy arrays",
        (".npz",),
        "srlab.io.array.npz:open_npz",
        "srlab.io.array.npz:create_npz",
        slow=True,
    ),
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


def find_format(name: str, role: Role) -> Format | None:
    """Return the format with the longest ending of `name` that has a reader or writer, or None.

    A folder may be named with a slash at the end.
    """
    name = name.rstrip(os.sep)
    able = [form for form in known_formats() if form.target(role)]
    fitting = [form for form in able if ending(name, form.suffixes)]
    return max(fitting, key=lambda form: len(ending(name, form.suffixes) or ""), default=None)


def recognised(path: PathLike) -> Format | None:
    """Return the format of a file by its first bytes, or of a folder by its files', or None.

    It is for names without an ending: of those, the first file of a known format counts.
    """
    place = Path(os.path.expanduser(path))
    files = [place]
    if place.is_dir() and os.access(place, os.R_OK):
        files = [file for file in sorted(place.iterdir()) if not file.name.startswith(".")]
    for file in files:
        for form in known_formats():
            if form.magic is not None and begins(file, *form.magic):
                return form
    return None


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
