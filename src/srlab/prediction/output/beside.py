"""Further files beside an output, on the same grid: its uncertainty, and its parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.io import Channel, Description, Writer
from srlab.io.clipping import Counts
from srlab.io.format import ending
from srlab.io.formats import find_format, suffixes_of
from srlab.mistakes import Mistake


def beside(output: Path, word: str, description: Description) -> Path:
    """Return the name of a further file of floats: ``scene.deviation.tif`` beside ``scene.tif``.

    Where the format of the output holds integers only, the file is a TIFF, or for more than two
    axes an OME-TIFF.
    """
    form = find_format(output.name, "writer")
    own = ending(output.name, suffixes_of("writer")) or ""
    stem = output.name[: len(output.name) - len(own)]
    kept = own
    if form is not None and not form.floats:
        kept = ".tif" if len(description.shape) == 2 else ".ome.tif"
    return output.with_name(f"{stem}.{word}{kept}")


def of_floats(description: Description, path: Path, channels: Sequence[Channel]) -> Description:
    """Describe co-registered `channels` of float32 in physical units; NaN is no data."""
    plain = [
        replace(channel, dtype=np.dtype(np.float32), scale=1.0, offset=0.0, nodata=np.nan,
                masked=False, colour="")
        for channel in channels
    ]  # fmt: skip
    described = description.with_channels(plain)
    if path.name.endswith(".ome.tif") and description.geometry is not None:
        return replace(described, geometry=None)  # frames of a video have times, and no place
    return described


def part_of(
    description: Description, path: Path, part: str, *, parts: Sequence[str], count: int
) -> tuple[Description, list[int]]:
    """Return the description of one of the `parts` beside an output, and its channels' numbers.

    Predicted channels are first those of the output, then those of each part, `count` of each.

    Raises a `Mistake` if there is no such part.
    """
    if part not in parts:
        raise Mistake(
            f"{path} says that it is the part {part!r} of an output, and there is none: another "
            "version of srlab may have made it."
        )
    first = count * (1 + parts.index(part))
    described = of_floats(description, path, description.channels[:count])
    return described, list(range(first, first + count))


class Beside:
    """Several files on one grid that are written as one, whose channels lie side by side.

    Each file has `count` channels. The first file is the output itself, which appears last. With
    `has_alpha` a transparency comes as the last channel of all, and belongs to the output.
    """

    def __init__(
        self,
        writers: Sequence[Writer],
        *,
        paths: Sequence[Path],
        count: int,
        has_alpha: bool = False,
    ) -> None:
        self._writers, self._paths = writers, paths
        self._unfinished = writers
        starts = range(0, len(writers) * count, count)
        self._places = [list(range(start, start + count)) for start in starts]
        if has_alpha:
            self._places[0].append(len(writers) * count)
        self.chunks = tuple(np.lcm.reduce([writer.chunks for writer in writers]).tolist())
        self.clipping = _Together([writer.clipping for writer in writers])

    def prepare(self) -> None:
        """Begin all files."""
        self._unfinished = self._writers
        for writer in self._writers:
            writer.prepare()

    def resume(self) -> bool:
        """Go on with all files if they are there; those beside the output may be complete."""
        begun = [writer.resume() for writer in self._writers]
        pairs = list(zip(self._writers, begun, strict=True))
        self._unfinished = [writer for writer, is_begun in pairs if is_begun]
        there = [path.exists() for path in self._paths]
        return begun[0] and all(one or other for one, other in zip(begun, there, strict=True))

    def write(self, window: Window, array: NDArray[np.float32]) -> None:
        """Write ``(C, *window)``, to each file its channels."""
        for writer, places in zip(self._writers, self._places, strict=True):
            writer.write(window, array[places])

    def sync(self) -> None:
        """Have the disk hold what was written of all files."""
        for writer in self._unfinished:
            writer.sync()

    def finish(self) -> None:
        """Complete all files."""
        for writer in reversed(self._unfinished):
            writer.finish()

    def discard(self) -> None:
        """Remove what was written of all files."""
        for writer in self._writers:
            writer.discard()


class _Together:
    """The clipped values of several files, one after the other."""

    def __init__(self, each: Sequence[Counts]) -> None:
        self._each = each

    @property
    def counts(self) -> tuple[int, ...]:
        return tuple(count for counts in self._each for count in counts.counts)

    def add(self, counts: Sequence[int], *, pixels: int) -> None:
        first = 0
        for each in self._each:
            length = len(each.counts)
            each.add(counts[first : first + length], pixels=pixels)
            first += length
