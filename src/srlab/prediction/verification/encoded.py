"""Parts of an output, computed and encoded anew, where that changes values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window, common, relative, window_shape
from srlab.io import Description, Provenance, Reader, create_writer, open_reader
from srlab.io.lossy import Lossy
from srlab.io.staging import Staging
from srlab.io.video.geometry import VideoGeometry
from srlab.prediction.verification.anew import Anew
from srlab.prediction.verification.comparison import Comparison, as_read
from srlab.prediction.verification.verdict import Verdict

Pixels = NDArray[np.float32]

MADE = Provenance("srlab", "")
"""The provenance of temporary files."""


class Encoded:
    """Encodes parts of an output by the writer of its format, to files that are removed again.

    `blocks` are the windows in which all of the output, as `described`, is computed.
    """

    def __init__(
        self,
        anew: Anew,
        described: Description,
        lossy: Lossy,
        blocks: Sequence[Window],
        options: Mapping[str, str],
    ) -> None:
        self._anew, self._described, self._lossy = anew, described, lossy
        self._blocks, self._options = blocks, options

    def compared(self, reader: Reader, drawn: Sequence[Window]) -> Verdict:
        """Compare parts of the output that hold as many pixels as the windows that were drawn.

        There is one at least: a segment of a video holds far more than a block.
        """
        found, wanted = Comparison(self._described.channels), sum(map(_pixels, drawn))
        parts = self._parts(drawn)
        count = 0
        for part in parts:
            if found.values < wanted * len(self._described.channels):
                self._compare(found, reader, part)
                count += 1
        of = len(self._parts(self._blocks))
        return found.verdict(count, of, unit=self._lossy.unit, lossy=True)

    def _parts(self, windows: Sequence[Window]) -> list[Window]:
        shape = self._described.shape
        parts = [self._lossy.compared(window, shape) for window in windows]
        return list({str(part): part for part in parts}.values())

    def _compare(self, found: Comparison, reader: Reader, part: Window) -> None:
        whole = self._lossy.encoded(part, self._described.shape)
        suffix = Path(str(reader)).suffix
        with TemporaryDirectory() as folder:
            computed = self._computed(whole, Path(folder) / "computed")
            encoded = self._encoded(whole, computed, Path(folder) / f"encoded{suffix}")
            for window in _planes(part):
                within = relative(window, whole)
                values = encoded.read(within)
                found.add(window, reader.read(window), values)
                found.add_loss(values, computed.read(within))
            encoded.close()

    def _computed(self, whole: Window, path: Path) -> Staging:
        """Compute a part, and keep it in a file."""
        channels = self._described.channels
        kept = Staging(path, len(channels), window_shape(whole), np.dtype(np.float32))
        kept.prepare()
        for each in self._blocks:
            if _touch(each, whole):
                window = common(each, whole)
                kept.write(relative(window, whole), as_read(self._anew(window), channels))
        return kept

    def _encoded(self, whole: Window, computed: Staging, path: Path) -> Reader:
        """Encode a part as an image of its own."""
        geometry, shape = self._described.geometry, window_shape(whole)
        if isinstance(geometry, VideoGeometry):
            geometry = geometry.part(whole[0])
        described = replace(self._described, shape=shape, geometry=geometry)
        writer = create_writer(path, described, provenance=MADE, options=self._options)
        writer.prepare()
        for window in _planes(tuple(slice(0, size) for size in shape)):
            writer.write(window, computed.read(window))
        writer.finish()
        return open_reader(path)


def _planes(window: Window) -> Iterator[Window]:
    """Yield a picture as it is, and a video frame by frame."""
    first, *others = window
    if len(others) == 1:
        yield window
        return
    for number in range(first.start, first.stop):
        yield (slice(number, number + 1), *others)


def _pixels(window: Window) -> int:
    return prod(window_shape(window))


def _touch(first: Window, second: Window) -> bool:
    pairs = zip(first, second, strict=True)
    return all(a.start < b.stop and b.start < a.stop for a, b in pairs)
