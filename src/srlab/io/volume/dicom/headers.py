"""Headers of DICOM files: the fields that place and scale the pixels, and no others."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from srlab.io.damage import CHECK_ENDING, COPY_AGAIN
from srlab.io.volume.dicom.frames import OF_ALL, OF_EACH, frames_of
from srlab.io.volume.dicom.quiet import get_decoder, pydicom, pydicom_reads
from srlab.mistakes import Mistake

log = logging.getLogger(__name__)

WANTED = (
    "SeriesInstanceUID",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "BitsAllocated",
    "BitsStored",
    "PixelRepresentation",
    "RescaleSlope",
    "RescaleIntercept",
    "ModalityLUTSequence",
    "PixelSpacing",
    "ImagerPixelSpacing",
    "SliceThickness",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    OF_EACH,
    OF_ALL,
)
"""The fields that are read; pydicom keeps no others."""

INDEX = "DICOMDIR"
"""The name of a file that lists the images of a disc and is none itself (PS3.10, 8.6)."""

CONVERT = "Convert it to NIfTI first, by dcm2niix."
"""What to do about an image that is stored in an unusual way."""

Numbers = tuple[float, ...]


@dataclass(frozen=True)
class Stored:
    """The type of the stored values (PS3.5, 8.1.1)."""

    bits: int
    """The bits of each value in the file."""

    used: int
    """The number of bits in use, from the lowest; the others may hold anything."""

    signed: bool
    inverted: bool
    """Whether low values are bright (``MONOCHROME1``)."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of NumPy."""
        return np.dtype(f"{'i' if self.signed else 'u'}{self.bits // 8}")


@dataclass(frozen=True)
class Header:
    """The header of a slice."""

    path: Path
    frame: int
    """The number of the slice in its file, from 0."""

    series: str = field(repr=False)
    """The identifier of the series; never shown, since it leads to a patient."""

    shape: tuple[int, int]
    """Rows and columns."""

    stored: Stored
    slope: float
    intercept: float
    """``physical = stored · slope + intercept``"""

    refusal: str
    """The reason why the pixels cannot be read; empty if they can."""

    spacing: Numbers
    """The distance between rows and that between columns, in mm; empty if unknown."""

    thickness: float | None
    """The thickness of the slice, in mm."""

    position: Numbers
    """The first pixel's centre: mm to the patient's left, back and head; empty if unknown."""

    directions: Numbers
    """Unit vectors along a row and along a column, as six numbers; empty if unknown."""


def headers_of(path: Path) -> list[Header]:
    """Read the header of each slice of a file.

    Raises a `Mistake` if the file is no image that pydicom can read.
    """
    failure = f"{path} is not a DICOM image that pydicom can read: truncated, damaged or no image"
    with pydicom_reads(failure, advice=CHECK_ENDING):
        data = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(WANTED))
        frames = frames_of(data)
        if not frames:
            raise Mistake(f"{failure}. {CHECK_ENDING}")
        refusal = _refusal(data, len(frames), path.stat().st_size)
        return [_header(path, number, data, own, refusal) for number, own in enumerate(frames)]


def _header(path: Path, frame: int, data: Any, own: Any, refusal: str) -> Header:
    """Return the header of a frame; `data` holds the fields of the file, `own` of the frame."""
    bits = int(data.BitsAllocated)
    return Header(
        path,
        frame,
        series=str(data.get("SeriesInstanceUID", "")),
        shape=(int(data.Rows), int(data.Columns)),
        stored=Stored(
            bits,
            int(_number(data, "BitsStored", bits)),
            bool(data.PixelRepresentation),
            data.PhotometricInterpretation == "MONOCHROME1",
        ),
        slope=_number(own, "RescaleSlope", 1),
        intercept=_number(own, "RescaleIntercept", 0),
        refusal=refusal,
        spacing=_numbers(own, "PixelSpacing", 2) or _numbers(own, "ImagerPixelSpacing", 2),
        thickness=abs(_number(own, "SliceThickness", 0)) or None,
        position=_numbers(own, "ImagePositionPatient", 3),
        directions=_numbers(own, "ImageOrientationPatient", 6),
    )


def headers_in(folder: Path) -> tuple[Header, ...]:
    """Read the headers of all images in a folder, sorted by file name.

    A warning tells of files that are no DICOM images.
    """
    with pydicom_reads(f"{folder} cannot be listed", advice="Check its permissions."):
        files = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    states = []
    for path in files:
        if path.is_file() and path.name != INDEX:
            status = path.stat()
            states.append((path, status.st_size, status.st_mtime_ns))
    return _cached_headers(folder, tuple(states))


@lru_cache(maxsize=128)
def _cached_headers(folder: Path, states: tuple[tuple[Path, int, int], ...]) -> tuple[Header, ...]:
    """Read the headers of files; the size and time of each tell the cache when it has changed."""
    headers: list[Header] = []
    others = []
    for path, _, _ in states:
        try:
            headers += headers_of(path)
        except Mistake:
            others.append(path.name)
    if headers and others:
        log.warning(
            "%d of %d files in %s are no DICOM images that can be read, and are left out, such "
            "as %s", len(others), len(states), folder, others[0],
        )  # fmt: skip
    return tuple(headers)


def first_of_each(paths: Iterable[Path]) -> list[Path]:
    """Return the first file of each series among `paths`.

    If no file can be read, the first of all is returned, so that opening it tells why. A warning
    tells of folders without a readable file.
    """
    by_folder: dict[Path, dict[str, Path]] = {}
    for path in sorted(paths):
        if path.name != INDEX:
            by_folder.setdefault(path.parent, {})[path.name] = path
    firsts: list[Path] = []
    unread: list[Path] = []
    for folder, named in by_folder.items():
        series: dict[str, Path] = {}
        for header in headers_in(folder.absolute()):
            if header.path.name in named:
                series.setdefault(header.series, named[header.path.name])
        firsts += series.values()
        if not series:
            unread += named.values()
    if not firsts:
        return unread[:1]
    for folder in dict.fromkeys(path.parent for path in unread):
        log.warning("no file in %s is a DICOM image that can be read: it is left out", folder)
    return firsts


def _number(data: Any, name: str, default: float) -> float:
    """Return a number, or `default` where it is missing or empty."""
    value = data.get(name)
    number = float(default if value in (None, "") else value)
    if not np.isfinite(number):
        raise ValueError(name)
    return number


def _numbers(data: Any, name: str, count: int) -> Numbers:
    """Return a field of `count` numbers; empty if it is missing."""
    values: Sequence[Any] = data.get(name) or ()
    numbers = tuple(map(float, values))
    if numbers and (len(numbers) != count or not np.isfinite(numbers).all()):
        raise ValueError(name)
    return numbers


def _refusal(data: Any, frames: int, size: int) -> str:
    """Return why the pixels of a file of `size` bytes cannot be read; empty if they can."""
    if _number(data, "NumberOfFrames", 1) != frames:
        return f"holds several frames that have no place. {CONVERT}"
    monochrome = str(data.PhotometricInterpretation) in ("MONOCHROME1", "MONOCHROME2")
    if _number(data, "SamplesPerPixel", 1) != 1 or not monochrome:
        return "is a picture in colours, and grey values are wanted. Export it as PNG."
    if int(data.BitsAllocated) not in (8, 16, 32):
        return f"holds values of neither 8, 16 nor 32 bits. {CONVERT}"
    if "ModalityLUTSequence" in data:
        return f"gives its values by a table, and a slope and an intercept are wanted. {CONVERT}"
    if not 1 <= _number(data, "BitsStored", data.BitsAllocated) <= data.BitsAllocated:
        return f"is damaged: its values have more bits than there is room for. {COPY_AGAIN}"
    syntax = data.file_meta.TransferSyntaxUID
    claimed = frames * data.Rows * data.Columns * data.BitsAllocated // 8
    is_compressed = syntax.is_compressed or syntax.is_deflated
    if not is_compressed and claimed > size:
        sizes = f"its header says {claimed} bytes of pixels, and the file has {size}"
        return f"is truncated: {sizes}. {COPY_AGAIN}"
    return _undecoded(syntax)


def _undecoded(syntax: Any) -> str:
    """Return why pixels of this transfer syntax cannot be decoded; empty if they can."""
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        return "is compressed in an unknown way. Decompress it first, by gdcmconv."
    if decoder.is_available:
        return ""
    plugins = "; ".join(decoder.missing_dependencies)
    lack = f"for which pydicom lacks a plugin ({plugins})"
    return f"is compressed as {syntax.name}, {lack}. Install one of them by pip."
