"""EXIF data: what a camera or an editor notes of a photograph, in the structure of a TIFF."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

Entry = tuple[int, bytes]
"""The type of a tag's values, and their bytes in little-endian order."""

Tags = Mapping[int, Entry]

ASCII, SHORT, LONG, RATIONAL, LONG8 = 2, 3, 4, 5, 16
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}
_SWAPPED = {3: 2, 4: 4, 5: 4, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4, 16: 8}
"""The bytes whose order is turned round in a big-endian file, of each type."""

ORIENTATION, SOFTWARE, DESCRIPTION = 0x0112, 0x0131, 0x010E
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 0x011A, 0x011B, 0x0128
PHOTO, PLACE = 0x8769, 0x8825
"""Tags that lead to the directories of the shot and of the place."""

_WIDTH, _HEIGHT = 0xA002, 0xA003

_KEPT_OF_IMAGE = (
    *(0x010D, DESCRIPTION, 0x010F, 0x0110, SOFTWARE, 0x0132, 0x013B, 0x013C, 0x4746, 0x4749),
    *(0x8298, 0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F),
)
"""Tags that speak of the scene and its maker. All others speak of how the file stores pixels."""

_NOT_OF_PHOTO = (
    *(0x927C, 0xA005),  # a maker's note holds places in the old file, as does the pointer
    *(_WIDTH, _HEIGHT, 0x9214, 0xA214, 0xA20E, 0xA20F, 0xA210, 0xA420),  # of the old pixels
)

_SEPARATOR = " | "

_MOST_ENTRIES, _MOST_BYTES = 1000, 2**16


@dataclass(frozen=True)
class Exif:
    """Tags of the image, of the shot and of the place where it was made (EXIF 2.32, 4.6)."""

    image: Tags = field(default_factory=dict)
    photo: Tags = field(default_factory=dict)
    place: Tags = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.image or self.photo or self.place)

    def lasting(self) -> Exif:
        """Return the tags that hold for other pixels of the same photograph, too.

        The note of a model that made the file is left out, and a caption before it is kept.
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
        """Return the same of an image that `software` made, as the `note` says after a caption."""
        caption = _text(self.image.get(DESCRIPTION))
        if caption:
            note = f"{caption}{_SEPARATOR}{note}"
        made = {SOFTWARE: _ascii(software), DESCRIPTION: _ascii(note)}
        return replace(self, image={**self.image, **made})

    def without_caption(self) -> Exif:
        """Return the same without the description of the image."""
        image = {tag: entry for tag, entry in self.image.items() if tag != DESCRIPTION}
        return replace(self, image=image)

    def of_upright(self, shape: tuple[int, ...], density: tuple[float, ...] | None) -> Exif:
        """Return the same of an upright image of `shape`, with `density` pixels a metre."""
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
        """The number of the turn that makes the stored image stand upright; 1 for none."""
        kind, value = self.image.get(ORIENTATION, (SHORT, b"\1\0"))
        return str(int.from_bytes(value[: _SIZES[kind]], "little"))

    @property
    def density(self) -> tuple[float, float] | None:
        """Pixels a metre of paper along rows' and columns' direction, ``(y, x)``, if stated."""
        metres = {2: 0.0254, 3: 0.01}
        _, unit = self.image.get(RESOLUTION_UNIT, (SHORT, b"\2\0"))
        per_unit = [_ratio(self.image.get(tag)) for tag in (Y_RESOLUTION, X_RESOLUTION)]
        metre = metres.get(int.from_bytes(unit[:2], "little"))
        if metre is None or not all(per_unit):
            return None
        return per_unit[0] / metre, per_unit[1] / metre

    def dump(self) -> bytes:
        """Return the data as a little-endian TIFF structure."""
        pointers = {PHOTO: self.photo, PLACE: self.place}
        image = {**self.image, **{tag: _number(LONG, 0) for tag in pointers if pointers[tag]}}
        at = 8 + len(directory(image, 8))
        parts = []
        for tag, entries in pointers.items():
            if entries:
                image[tag] = _number(LONG, at)
                parts.append(directory(entries, at))
                at += len(parts[-1])
        return b"II*\0\x08\0\0\0" + directory(image, 8) + b"".join(parts)


def parse(read: Callable[[int, int], bytes]) -> Exif:
    """Read EXIF data, of which ``read(start, size)`` gives bytes; a whole TIFF may hold them.

    What is damaged is left out.
    """
    head = read(0, 16)
    layout = _LAYOUTS.get(head[:4])
    if layout is None:
        return Exif()
    order, pointer_at, number, entry = layout
    if len(head) < 16:
        head = head.ljust(16, b"\0")
    (first,) = struct.unpack_from(order + entry[1], head, pointer_at)
    image = dict(_entries(read, first, order, number, entry))
    photo, place = (
        dict(_entries(read, _pointer(image.pop(tag, None)), order, number, entry))
        for tag in (PHOTO, PLACE)
    )
    return Exif(image, photo, place)


def parse_bytes(data: bytes) -> Exif:
    """Read EXIF data that stand alone."""
    return parse(lambda start, size: data[start : start + size])


_LAYOUTS = {
    b"II*\0": ("<", 4, "H", "II"),
    b"MM\0*": (">", 4, "H", "II"),
    b"II+\0": ("<", 8, "Q", "QQ"),
    b"MM\0+": (">", 8, "Q", "QQ"),
}
"""By the first bytes: byte order, the place of the first pointer, and the codes of the number of
entries, of an entry's count of values and of its pointer."""


def _entries(
    read: Callable[[int, int], bytes], start: int, order: str, number: str, entry: str
) -> Iterator[tuple[int, Entry]]:
    """Yield the tags of a directory, and their values where these are few and whole."""
    if not start:
        return
    head = read(start, struct.calcsize(order + number))
    if len(head) < struct.calcsize(order + number):
        return
    (count,) = struct.unpack(order + number, head)
    code = f"{order}HH{entry}"
    step = struct.calcsize(code)
    inline = struct.calcsize(order + entry[1])
    table = read(start + len(head), step * min(count, _MOST_ENTRIES))
    for at in range(0, len(table) - step + 1, step):
        tag, kind, values, pointer = struct.unpack_from(code, table, at)
        size = _SIZES.get(kind, 0) * values
        if not 0 < size <= _MOST_BYTES:
            continue
        content = table[at + step - inline : at + step][:size]
        if size > inline:
            content = read(pointer, size)
        if len(content) == size:
            yield tag, (kind, _little_endian(kind, content, order))


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
    """Return a directory that begins at `start`, then the values that do not fit into it.

    `raw` are further entries, whole as a file has them. `following` is where the next directory
    begins. A `big` one has the wider numbers of BigTIFF.
    """
    number, pointer, inline = ("<Q", "<Q", 8) if big else ("<H", "<I", 4)
    step = 4 + 2 * inline
    count = len(entries) + len(raw)
    at = start + struct.calcsize(number) + step * count + inline
    rows, values = list(raw), []
    for tag, (kind, content) in entries.items():
        head = struct.pack("<HH", tag, kind) + struct.pack(pointer, len(content) // _SIZES[kind])
        if len(content) <= inline:
            rows.append(head + content.ljust(inline, b"\0"))
            continue
        rows.append(head + struct.pack(pointer, at))
        values.append(content + b"\0" * (len(content) % 2))
        at += len(values[-1])
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
