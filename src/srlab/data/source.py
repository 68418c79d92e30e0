"""The interface of sources of data."""

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
    """``(rows, C' + 1)``, the statistics of the whole file as `Statistics.as_tensor` gives them."""


class PairDataset(Protocol):
    """Pairs by position; a pair is a pure function of the dataset's arguments and its position.

    A training dataset has a pair for every position from 0 on, without end; others have `__len__`.
    """

    def __getitem__(self, position: int) -> Sample:
        """Return the pair at `position`."""


class SizedPairDataset(PairDataset, Protocol):
    """Pairs that can be counted."""

    def __len__(self) -> int:
        """The number of pairs."""


@runtime_checkable
class PairsOfFiles(Protocol):
    """Pairs of which each can be named in messages."""

    def file(self, position: int) -> str:
        """Return the file of the pair at `position`."""


class Source(Protocol):
    """The pairs that a file of ``conf/data`` names, and what is known of their values."""

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
    """The names of LR's channels: of those bands, and of guides where there are some."""

    unit: str
    """The unit of physical values."""

    data_range: float
    """The span of physical values that counts as the full scale for PSNR and SSIM."""

    axes: tuple[Axis, ...]
    """The spatial axes of the files that a model is for, with their spacings if these say.

    Where LR is made by a degradation these are the files that serve as HR.
    """


@runtime_checkable
class MeasuredSource(Source, Protocol):
    """A source that normalisers of the scopes ``training`` and ``scene`` can learn from."""

    def statistics(self) -> Statistics:
        """Measure HR of the training split, in physical units, in one pass."""

    def lr_statistics(self) -> Statistics:
        """Measure LR of the training split, in physical units, in one pass.

        Where LR is made of HR, this is what the degradation makes of it.
        """

    def gather_scenes(self, cache: Path) -> None:
        """Measure each file as a whole; from then on, samples carry its ``scene``.

        The JSON file `cache` keeps the statistics. A file of the same path, size and time of change
        is not read again.
        """


@runtime_checkable
class OfFiles(Protocol):
    """A source whose files can be compared with a model by what their headers say."""

    readers: Sequence[Reader]
    """All that `srlab.evaluate` scores."""


@runtime_checkable
class OfRealPairs(Protocol):
    """A source whose LR was measured, so that `Source.axes` are LR's."""

    hr_axes: tuple[Axis, ...]
    """The spatial axes of HR."""


@runtime_checkable
class OfGuides(Protocol):
    """A source whose LR has finer bands as further channels, after those of `Source.bands`."""

    guides: tuple[int | str, ...]
    """These finer bands, by number from 1 or by name."""

    guide_ratio: tuple[int, ...]
    """Their pixels in an LR pixel, along each spatial axis."""


@runtime_checkable
class OfPairedFiles(OfFiles, Protocol):
    """A source whose LR lies in files of its own, which are its `readers`."""

    hr_readers: Sequence[Reader]
    """The files of HR."""


@runtime_checkable
class OfDates(Protocol):
    """A source whose LR has the bands of several dates as channels, the reference date first."""

    dates: int


@runtime_checkable
class OfThickSlices(Protocol):
    """A source of slices for a model that works on planes across them."""

    across: str
    """The name of the axis across the slices; a model's first axis is this one."""


@runtime_checkable
class OfOtherBands(Protocol):
    """A source whose HR may have other bands than `Source.bands`, which are LR's."""

    hr_channel_names: tuple[str, ...]
    """The names of HR's channels."""


def axes_of_hr(source: Source) -> tuple[Axis, ...]:
    """Return the spatial axes of HR: where LR is made of the files, they are HR."""
    if isinstance(source, OfRealPairs):
        return source.hr_axes
    return source.axes


def has_scenes_of_hr(source: Source) -> bool:
    """Whether the ``scene`` of a sample is that of HR's file, as it is where LR is made of HR."""
    return not isinstance(source, OfRealPairs)
