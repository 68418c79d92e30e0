"""The interface of data sources: what a class named in ``conf/data`` offers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NotRequired, Protocol, TypedDict, runtime_checkable

from torch import Tensor

from srlab.io import Axis, Reader
from srlab.normalisers.statistics import Statistics


class Sample(TypedDict):
    """One pair, finite and in physical units."""

    lr: Tensor
    """``(C, *S)``"""

    hr: Tensor
    """``(C', *S·scale)``"""

    valid: NotRequired[Tensor]
    """``(1, *S·scale)``, true where HR holds data; absent where it does everywhere."""

    scene: NotRequired[Tensor]
    """``(rows, C' + 1)``: the statistics of the whole file, laid out by `Statistics.as_tensor`."""


class PairDataset(Protocol):
    """Pairs by position; a pair is a pure function of the dataset's arguments and its position.

    A training dataset has a pair at every position from 0 on, without end. Others have `__len__`.
    """

    def __getitem__(self, position: int) -> Sample:
        """Return the pair at `position`."""


class SizedPairDataset(PairDataset, Protocol):
    """Pairs that can be counted."""

    def __len__(self) -> int:
        """The number of pairs."""


@runtime_checkable
class PairsOfFiles(Protocol):
    """Pairs that come from files, whose names messages can give."""

    def file(self, position: int) -> str:
        """Return the name of the file that the pair at `position` comes from."""


class Source(Protocol):
    """Pairs for training, validation and test, and what is known about their values."""

    @property
    def training(self) -> PairDataset:
        """Random crops, without end."""

    @property
    def validation(self) -> SizedPairDataset:
        """Fixed views of images or regions that training never sees."""

    @property
    def test(self) -> SizedPairDataset:
        """All images that the source names, for `srlab.evaluate`."""

    bands: tuple[int | str, ...]
    """The bands read from each file, by number from 1 or by name."""

    channel_names: tuple[str, ...]
    """The names of LR's channels: the bands, then guides if there are any."""

    unit: str
    """The unit of physical values."""

    data_range: float
    """The span of physical values that counts as the full scale for PSNR and SSIM."""

    axes: tuple[Axis, ...]
    """The spatial axes of the files that a model will be applied to, with spacings if known.

    Where LR is made by a degradation, these are the axes of the HR files.
    """


@runtime_checkable
class MeasuredSource(Source, Protocol):
    """A source that can be measured, as normalisers of scope ``training`` or ``scene`` need."""

    def statistics(self) -> Statistics:
        """Measure HR of the training split, in physical units, in one pass."""

    def lr_statistics(self) -> Statistics:
        """Measure LR of the training split, in physical units, in one pass.

        Where LR is made from HR, this measures the output of the degradation.
        """

    def gather_scenes(self, cache: Path) -> None:
        """Measure each file as a whole; from then on, samples carry its ``scene``.

        The JSON file `cache` keeps the statistics. A file of the same path, size and time of change
        is not read again.
        """


@runtime_checkable
class OfFiles(Protocol):
    """A source of files, whose headers can be compared with a model."""

    readers: Sequence[Reader]
    """All files that `srlab.evaluate` scores."""


@runtime_checkable
class OfRealPairs(Protocol):
    """A source whose LR was measured, so that `Source.axes` are LR's."""

    hr_axes: tuple[Axis, ...]
    """The spatial axes of HR."""


@runtime_checkable
class OfGuides(Protocol):
    """A source whose LR has finer bands, the guides, as channels after those of `Source.bands`."""

    guides: tuple[int | str, ...]
    """The finer bands, by number from 1 or by name."""

    guide_ratio: tuple[int, ...]
    """The number of guide pixels in an LR pixel, along each spatial axis."""


@runtime_checkable
class OfPairedFiles(OfFiles, Protocol):
    """A source with separate files of LR, which are its `readers`, and of HR."""

    hr_readers: Sequence[Reader]
    """The HR files."""


@runtime_checkable
class OfDates(Protocol):
    """A source whose LR has the bands of several dates as channels, the reference date first."""

    dates: int
    """The number of dates."""


@runtime_checkable
class OfThickSlices(Protocol):
    """A source of volumes for a model that works on planes perpendicular to the slices."""

    across: str
    """The name of the axis across the slices; it is the model's first axis."""


@runtime_checkable
class OfOtherBands(Protocol):
    """A source whose HR may have other bands than LR; `Source.bands` are those of LR."""

    hr_channel_names: tuple[str, ...]
    """The names of HR's channels."""


def axes_of_hr(source: Source) -> tuple[Axis, ...]:
    """Return the spatial axes of HR; they are `Source.axes` where the files themselves are HR."""
    if isinstance(source, OfRealPairs):
        return source.hr_axes
    return source.axes


def has_scenes_of_hr(source: Source) -> bool:
    """Whether the ``scene`` of a sample describes the HR file; otherwise it describes LR's."""
    return not isinstance(source, OfRealPairs)
