"""EXIF data: reading, selecting and writing the tags of a photograph (EXIF 2.32).

EXIF data have the structure of a TIFF file: directories of tags, each with a type and values.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

Entry = tuple[int, bytes]
"""The type of a tag's values, and their bytes in little-endian order."""

Tags = Mapping[int, Entry]
"""Entries by the numbers of their tags."""

ASCII, SHORT, LONG, RATIONAL, LONG8 = 2, 3, 4, 5, 16
"""Types of values (TIFF 6.0, section 2; LONG8 is BigTIFF's)."""

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}
"""Bytes of a value of each type."""

_SWAPPED = {3: 2, 4: 4, 5: 4, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4, 16: 8}
"""Bytes of each number in a value, for the types whose byte order differs between files."""

ORIENTATION, SOFTWARE, DESCRIPTION = 0x0112, 0x0131, 0x010E
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 0x011A, 0x011B, 0x0128
PHOTO, PLACE = 0x8769, 0x8825
"""Tags that point to the directories of the shot and of the place (GPS)."""

_WIDTH, _HEIGHT = 0xA002, 0xA003

_KEPT_OF_IMAGE = (
    *(0x010D, DESCRIPTION, 0x010F, 0x0110, SOFTWARE, 0x0132, 0x013B, 0x013C, 0x4746, 0x4749),
    *(0x8298, 0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F),
)
"""Tags about the scene and its maker. All others are about how the file stores its pixels."""

_NOT_OF_PHOTO = (
    *(0x927C, 0xA005),  # MakerNote and the pointer to interoperability: offsets in the old file
    *(_WIDTH, _HEIGHT, 0x9214, 0xA214, 0xA20E, 0xA20F, 0xA210, 0xA420),  # about the old pixels
)
"""Tags of the shot that do not hold for other pixels of the same photograph."""

_SEPARATOR = " | "
"""The text between a photograph's own caption and the note of the model."""

_MOST_ENTRIES, _MOST_BYTES = 1000, 2**16
"""The most entries of a directory, and bytes of an entry, that are read."""


@dataclass(frozen=True)
class Exif:
    """Tags of the image, of the shot (`photo`) and of the `place` (GPS) (EXIF 2.32, 4.6)."""

    image: Tags = field(default_factory=dict)
    photo: Tags = field(default_factory=dict)
    place: Tags = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.image or self.photo or self.place)

    def lasting(self) -> Exif:
        """Return the tags that also hold for other pixels of the same photograph.

        If srlab made the file, its note is removed from the caption.
        """
        image = {tag: self.image[tag] for tag in _KEPT_OF_IMAGE if tag in self.image}
        if _text(image.get(SOFTWARE)).startswith("srlab "):
            caption, separator, _ = _text(image.pop(DESCRIPTION, None)).rpartition(_SEPARATOR)
            if separator:
                image[DESCRIPTION] = _ascii(caption)
            del image[SOFTWARE]
        photo = {tag: entry for tag, entry in self.photo.items() if tag not in _NOT_OF_PHOTO}
        return replace(self, image=image, photo=photo)

    def made_by(self, software: str, note: str) -> Exif:
        """Return the data of an image made by `software`; the `note` is added to the caption."""
        caption = _text(self.image.get(DESCRIPTION))
        if caption:
            note = f"{caption}{_SEPARATOR}{note}"
        made = {SOFTWARE: _ascii(software), DESCRIPTION: _ascii(note)}
        return replace(self, image={**self.image, **made})

    def without_caption(self) -> Exif:
        """Return the data without the description of the image."""
        image = {tag: entry for tag, entry in self.image.items() if tag != DESCRIPTION}
        return replace(self, image=image)

    def of_upright(self, shape: tuple[int, ...], density: tuple[float, ...] | None) -> Exif:
        """Return the data of an upright image ``(H, W)`` with `density` ``(y, x)``.

        The density is in pixels per metre of paper.
        """
        height, width = shape
        sizes = {_WIDTH: _number(LONG, width), _HEIGHT: _number(LONG, height)}
        image = {**self.image, ORIENTATION: _number(SHORT, 1)}
        if density is not None:
            image[Y_RESOLUTION], image[X_RESOLUTION] = map(_per_inch, density)
            image[RESOLUTION_UNIT] = _number(SHORT, 2)
        photo = {**self.photo, **sizes} if self.photo else {}
        return replace(self, image=image, photo=photo)

    @property
    def orientation(self) -> str:
        """The orientation of the stored image, ``1`` to ``8``; 1 is upright."""
        kind, value = self.image.get(ORIENTATION, (SHORT, b"\1\0"))
        return str(int.from_bytes(value[: _SIZES[kind]], "little"))

    @property
    def density(self) -> tuple[float, float] | None:
        """Pixels per metre of paper, ``(y, x)``; None if the data do not tell."""
        metres = {2: 0.0254, 3: 0.01}
        _, unit = self.image.get(RESOLUTION_UNIT, (SHORT, b"\2\0"))
        per_unit = [_ratio(self.image.get(tag)) for tag in (Y_RESOLUTION, X_RESOLUTION)]
        metre = metres.get(int.from_bytes(unit[:2], "little"))
        if metre is None or not all(per_unit):
            return None
        return per_unit[0] / metre, per_unit[1] / metre

    def dump(self) -> bytes:
        """Return the data as a little-endian TIFF structure."""
        header = b"II*\0\x08\0\0\0"
        others = {PHOTO: self.photo, PLACE: self.place}
        others = {pointer: entries for pointer, entries in others.items() if entries}
        # Pointers of 0 give the directory of the image its final size.
        image = {**self.image, **dict.fromkeys(others, _number(LONG, 0))}
        start = len(header) + len(directory(image, len(header)))
        parts = []
        for pointer, entries in others.items():
            image[pointer] = _number(LONG, start)
            parts.append(directory(entries, start))
            start += len(parts[-1])
        return header + directory(image, len(header)) + b"".join(parts)


def parse(read: Callable[[int, int], bytes]) -> Exif:
    """Read EXIF data, or those in a whole TIFF; ``read(start, size)`` returns bytes of them.

    Damaged tags are left out.
    """
    head = read(0, 16).ljust(16, b"\0")
    layout = _LAYOUTS.get(head[:4])
    if layout is None:
        return Exif()
    (first,) = struct.unpack_from(layout.order + layout.pointer, head, layout.first_pointer_at)
    image = dict(_entries(read, first, layout))
    photo = dict(_entries(read, _pointer(image.pop(PHOTO, None)), layout))
    place = dict(_entries(read, _pointer(image.pop(PLACE, None)), layout))
    return Exif(image, photo, place)


def parse_bytes(data: bytes) -> Exif:
    """Read EXIF data in memory."""
    return parse(lambda start, size: data[start : start + size])


@dataclass(frozen=True)
class _Layout:
    """The variant of TIFF, by the codes of `struct` for its numbers."""

    order: str
    """``<`` for little-endian, ``>`` for big-endian."""

    first_pointer_at: int
    """Where the pointer to the first directory lies in the file."""

    number: str
    """The code of the number of entries of a directory."""

    pointer: str
    """The code of a pointer, and of the number of values of an entry."""


_LAYOUTS = {
    b"II*\0": _Layout("<", 4, "H", "I"),
    b"MM\0*": _Layout(">", 4, "H", "I"),
    b"II+\0": _Layout("<", 8, "Q", "Q"),
    b"MM\0+": _Layout(">", 8, "Q", "Q"),
}
"""The variants by the first bytes of a file: TIFF, then BigTIFF."""


def _entries(
    read: Callable[[int, int], bytes], start: int, layout: _Layout
) -> Iterator[tuple[int, Entry]]:
    """Yield the tags of the directory at `start`, with their values; damaged ones are left out."""
    if not start:
        return
    number_code = layout.order + layout.number
    head = read(start, struct.calcsize(number_code))
    if len(head) < struct.calcsize(number_code):
        return
    (count,) = struct.unpack(number_code, head)
    entry_code = f"{layout.order}HH{layout.pointer}{layout.pointer}"
    step = struct.calcsize(entry_code)
    inline = struct.calcsize(layout.order + layout.pointer)
    table = read(start + len(head), step * min(count, _MOST_ENTRIES))
    for at in range(0, len(table) - step + 1, step):
        tag, kind, values, pointer = struct.unpack_from(entry_code, table, at)
        size = _SIZES.get(kind, 0) * values
        if not 0 < size <= _MOST_BYTES:
            continue
        # Small values stand in the entry itself, in the place of the pointer.
        content = table[at + step - inline : at + step][:size]
        if size > inline:
            content = read(pointer, size)
        if len(content) == size:
            yield tag, (kind, _little_endian(kind, content, layout.order))


def _little_endian(kind: int, content: bytes, order: str) -> bytes:
    width = _SWAPPED.get(kind, 1)
    if order == "<" or width == 1:
        return content
    return b"".join(content[at : at + width][::-1] for at in range(0, len(content), width))


def _pointer(entry: Entry | None) -> int:
    return int.from_bytes(entry[1][:8], "little") if entry else 0


def directory(
    entries: Tags, start: int, *, big: bool = False, raw: Sequence[bytes] = (), following: int = 0
) -> bytes:
    """Return the bytes of a little-endian directory at `start`, and of its larger values.

    `raw` are further entries, as the bytes that a file has. `following` is where the next
    directory begins, or 0. If `big`, numbers are as wide as in BigTIFF.
    """
    number, pointer, inline = ("<Q", "<Q", 8) if big else ("<H", "<I", 4)
    entry_size = 4 + 2 * inline
    count = len(entries) + len(raw)
    # Values that do not fit into their entries lie behind the directory.
    value_at = start + struct.calcsize(number) + entry_size * count + inline
    rows, values = list(raw), []
    for tag, (kind, content) in entries.items():
        head = struct.pack("<HH", tag, kind) + struct.pack(pointer, len(content) // _SIZES[kind])
        if len(content) <= inline:
            rows.append(head + content.ljust(inline, b"\0"))
            continue
        rows.append(head + struct.pack(pointer, value_at))
        values.append(content + b"\0" * (len(content) % 2))
        value_at += len(values[-1])
    rows.sort(key=lambda row: int.from_bytes(row[:2], "little"))
    return b"".join([struct.pack(number, count), *rows, struct.pack(pointer, following), *values])


def _text(entry: Entry | None) -> str:
    return entry[1].rstrip(b"\0").decode(errors="replace") if entry else ""


def _ascii(text: str) -> Entry:
    return ASCII, text.encode() + b"\0"


def _number(kind: int, number: int) -> Entry:
    return kind, number.to_bytes(_SIZES[kind], "little")


def _per_inch(per_metre: float) -> Entry:
    return RATIONAL, struct.pack("<2I", round(per_metre * 2.54), 100)


def _ratio(entry: Entry | None) -> float:
    """Return the first of some ratios; 0 where there is none."""
    if entry is None or entry[0] != RATIONAL:
        return 0.0
    upper, lower = struct.unpack("<2I", entry[1][:8])
    return upper / lower if lower else 0.0
