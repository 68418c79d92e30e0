"""Histogram matching of an output to its input."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from srlab.axes import Window
from srlab.data.measuring.statistics import measure
from srlab.data.places.regions import block_sides
from srlab.files import PathLike
from srlab.io import Description, Reader, Writer
from srlab.io.staging import Staging
from srlab.mistakes import Mistake
from srlab.models.card import ModelCard
from srlab.normalisers.matching import matched
from srlab.normalisers.statistics import QUANTILES, Statistics
from srlab.prediction.output.description import measured_scene


def matching_input(
    writer: Writer, path: PathLike, description: Description, *, card: ModelCard, reader: Reader
) -> HistogramWriter:
    """Return a writer that matches each output channel to the input channel of its name.

    `description` is that of the output at `path`, whose last channel may be a transparency. The
    input is measured as a whole. A `Mistake` names an output channel that the input lacks.
    """
    missing = [name for name in card.output_names if name not in card.input_names]
    if missing:
        raise Mistake(
            f"match_histogram=true needs an input band for each output band, and {missing[0]} is "
            f"none of {', '.join(card.input_names)}; leave match_histogram out."
        )
    places = [card.input_names.index(name) for name in card.output_names]
    target = measured_scene(reader)[0, QUANTILES][:, places]
    staging = Staging(
        output=Path(path).absolute(),
        name="unmatched",
        planes=len(description.channels),
        shape=description.shape,
        dtype=np.dtype(np.float32),
    )
    return HistogramWriter(writer, staging, target)


class HistogramWriter:
    """A writer that gives its first channels the percentiles `target` ``(levels, C)``.

    An output's distribution is known only when all of it is there. Until then it lies in `staging`,
    a file of floats in the folder of the unfinished output. Further channels, such as a
    transparency, are written as they are. The result depends on the whole output alone, and not on
    its blocks.
    """

    def __init__(self, writer: Writer, staging: Staging, target: Tensor) -> None:
        self._writer, self._staging, self._target = writer, staging, target
        self.chunks = writer.chunks
        self.clipping = writer.clipping

    def prepare(self) -> None:
        """Begin both files."""
        self._staging.prepare()
        self._writer.prepare()

    def resume(self) -> bool:
        """Go on with what an ended process kept, if it is there."""
        return self._staging.is_begun and self._writer.resume()

    def write(self, window: Window, array: NDArray[np.float32]) -> None:
        """Keep ``(C, *window)`` until all is there."""
        self._staging.write(window, array)

    def sync(self) -> None:
        """Have the disk hold all that was kept."""
        self._staging.sync()

    def finish(self) -> None:
        """Measure the output, match it, and complete the file."""
        count = self._target.shape[1]
        staged = (self._staging.read(window)[:count] for window in self._windows())
        source = _percentiles(measure(staged, channels=count))
        for window in self._windows():
            block = self._staging.read(window)
            image = torch.from_numpy(block[None, :count])
            block[:count] = matched(image, source=source, target=self._target)[0].numpy()
            self._writer.write(window, block)
        self._writer.finish()
        self._staging.discard()

    def discard(self) -> None:
        """Remove what was written so far."""
        self._staging.discard()
        self._writer.discard()

    def _windows(self) -> Iterator[Window]:
        """Divide the output into windows that end on the writer's chunks."""
        shape = self._staging.shape
        axes = []
        for size, chunk, block in zip(shape, self.chunks, block_sides(len(shape)), strict=True):
            side = -(-block // chunk) * chunk
            axes.append(_spans(size, side))
        yield from product(*axes)


def _spans(size: int, side: int) -> Sequence[slice]:
    return [slice(start, min(start + side, size)) for start in range(0, size, side)]


def _percentiles(statistics: Statistics) -> Tensor:
    return statistics.as_tensor()[QUANTILES, :-1]
