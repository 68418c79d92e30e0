"""The table of file formats, which are found by the suffixes of file names.

srlab's own formats are in `FORMATS`. Another package adds a format as an entry point of the group
``srlab.formats``, whose value is a `Format`.
"""

from __future__ import annotations

import difflib
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
        several=True,
    ),
    Format(
        "OME-TIFF",
        (".ome.tif", ".ome.tiff"),
        _STACK,
        "srlab.io.microscopy.writer:OmeTiffWriter",
        several=True,
    ),
    Format("Sentinel-2 product", (".SAFE",), _SENTINEL2, folder=True, slow=True),
    Format("zipped Sentinel-2 product", (".zip",), _SENTINEL2, slow=True),
    Format("PNG", (".png",), _RASTER, _IMAGE, slow=True, floats=False, keeps_place=False),
    Format(
        "JPEG",
        (".jpg", ".jpeg"),
        _RASTER,
        _IMAGE,
        slow=True,
        floats=False,
        keeps_place=False,
        lossy="srlab.io.image.jpeg:JPEG",
    ),
    Format("WebP", (".webp",), _RASTER, _IMAGE, slow=True, floats=False, keeps_place=False),
    Format("BMP", (".bmp",), _RASTER, _IMAGE, slow=True, floats=False, keeps_place=False),
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
        several=True,
        options={"compression": ("zstd", "deflate", "none")},
    ),
    Format(
        "OME-Zarr",
        (".ome.zarr",),
        "srlab.io.microscopy.ome_zarr_reader:OmeZarrReader",
        "srlab.io.microscopy.ome_zarr_writer:OmeZarrWriter",
        folder=True,
        several=True,
        options={"compression": ("zstd", "deflate", "none"), "ome_version": ("0.4", "0.5")},
    ),
    Format(
        "Zeiss CZI",
        (".czi",),
        "srlab.io.microscopy.makers.czi:open_czi",
        slow=True,
        written_as=".ome.tif",
        several=True,
    ),
    Format(
        "Nikon ND2",
        (".nd2",),
        "srlab.io.microscopy.makers.nd2:open_nd2",
        slow=True,
        written_as=".ome.tif",
        several=True,
    ),
    Format(
        "Leica LIF",
        (".lif",),
        "srlab.io.microscopy.makers.lif:open_lif",
        slow=True,
        written_as=".ome.tif",
        several=True,
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
        several=True,
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
        lossy="srlab.io.video.lossy:SEGMENTS",
        slow=True,
        floats=False,
    ),
    Format(
        "Matroska",
        (".mkv",),
        _VIDEO,
        "srlab.io.video.writer:VideoWriter",
        options={"codec": ("h264", "h265", "ffv1")},
        lossy="srlab.io.video.lossy:SEGMENTS",
        lossless_codecs=("ffv1",),
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
        "NumPy array",
        (".npy",),
        "srlab.io.array.npy:open_npy",
        "srlab.io.array.npy:create_npy",
        keeps_place=False,
    ),
    Format(
        "NumPy arrays",
        (".npz",),
        "srlab.io.array.npz:open_npz",
        "srlab.io.array.npz:create_npz",
        slow=True,
        keeps_place=False,
    ),
    Format("elevation", (".asc", ".bil", ".dem", ".hgt"), _RASTER),
)

USUAL = (".tif", ".png", ".jpg", ".nii.gz", ".ome.tif", ".mp4", ".npy")
"""The suffixes that are named where a name has none that is known: a common one of each kind."""

SIMILAR = 0.7
"""From this ratio of `difflib` on, an ending is taken for a misspelt one."""

REMOTE = Format("GDAL's names", (), _RASTER, own_pixels=False)
"""The format of names that GDAL resolves (`srlab.files.is_remote`), whatever their suffix."""


@cache
def known_formats() -> tuple[Format, ...]:
    """Return the formats of other packages, then srlab's own; earlier ones take precedence.

    Raises a `Mistake` if the value of an entry point is not a `Format`.
    """
    plugins = []
    for point in entry_points(group="srlab.formats"):
        value = point.load()
        if not isinstance(value, Format):
            raise Mistake(
                f"the entry point {point.name!r} of the group srlab.formats is {value!r}; its "
                "value must be a srlab.io.formats.Format: mend or remove the package that has it."
            )
        plugins.append(value)
    return (*plugins, *FORMATS)


def find_format(name: str, role: Role) -> Format | None:
    """Return the format that has such a reader or writer and fits `name` best, or None.

    The longest suffix fits best. A folder's name may end with a slash.
    """
    name = name.rstrip(os.sep)
    best: Format | None = None
    length = 0
    for form in known_formats():
        suffix = ending(name, form.suffixes)
        if form.target(role) and suffix and len(suffix) > length:
            best, length = form, len(suffix)
    return best


def recognised(path: PathLike) -> Format | None:
    """Return the format of a file by its first bytes, or None; for names without a suffix.

    A folder has the format of its first file whose bytes are known.
    """
    file_or_folder = Path(os.path.expanduser(path))
    files = [file_or_folder]
    if file_or_folder.is_dir() and os.access(file_or_folder, os.R_OK):
        members = sorted(file_or_folder.iterdir())
        files = [file for file in members if not file.name.startswith(".")]
    for file in files:
        for form in known_formats():
            if form.magic is not None and begins(file, *form.magic):
                return form
    return None


def suffixes_of(role: Role) -> tuple[str, ...]:
    """Return the suffixes of all formats that have a reader, or a writer, each suffix once."""
    suffixes: dict[str, None] = {}
    for form in known_formats():
        if form.target(role):
            suffixes |= dict.fromkeys(form.suffixes)
    return tuple(suffixes)


def advice_on_ending(name: PathLike, role: Role, *, like: PathLike | None = None) -> str:
    """Say which ending a name may have been meant to have, rather than list all of them.

    An output may have the ending of the file `like` which it is made.
    """
    known = suffixes_of(role)
    form = None if like is None else find_format(os.fspath(like), role)
    likely = difflib.get_close_matches(Path(name).suffix.lower(), known, n=2, cutoff=SIMILAR)
    if like is not None and form is not None:
        likely.append(str(ending(os.fspath(like), form.suffixes)))
    if not likely:
        likely = [suffix for suffix in USUAL if suffix in known]
    named = ", ".join(dict.fromkeys(likely))
    return f"its name must end in {named}, for example; the README lists all formats."


def may_be_folder(suffix: str) -> bool:
    """Whether a folder with this suffix may be an image; False if only files have the suffix."""
    are_folders = [form.folder for form in known_formats() if suffix.lower() in form.suffixes]
    return any(are_folders) or not are_folders
