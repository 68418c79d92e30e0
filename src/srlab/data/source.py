"""What every source of data offers."""

from __future__ import annotations

from typing import NotRequired, Protocol, TypedDict

from torch import Tensor


class Sample(TypedDict):
    """One pair, finite and in physical units."""

    lr: Tensor
    """``(C, *S)``"""

    hr: Tensor
    """``(C', *S·scale)``"""

    valid: NotRequired[Tensor]
    """``(1, *S·scale)``, true where HR holds data; absent where it does everywhere."""


class PairDataset(Protocol):
    """Pairs by position; a pair is a pure function of the dataset's arguments and its position.

    A training dataset has a pair for every position from 0 on, without end; the others have `__len__`.
    """

    def __getitem__(self, position: int) -> Sample:
        """Return the pair at `position`."""


class SizedPairDataset(PairDataset, Protocol):
    """Pairs that can be counted."""

    def __len__(self) -> int:
        """The number of pairs."""


class Source(Protocol):
    """What a file of ``conf/data`` builds."""

    training: PairDataset
    """Random crops, without end."""

    validation: SizedPairDataset
    """Fixed views of images or regions that training never sees."""

    test: SizedPairDataset
    """All images that the source names, for `srlab.evaluate`."""

    bands: tuple[int | str, ...]
    """The bands read from each file, by number from 1 or by name."""

    channels: tuple[str, ...]
    """The names of those bands."""

    unit: str
    """The unit of physical values."""

    data_range: float
    """The span of physical values that counts as the full scale for PSNR and SSIM."""

    pixel_size: tuple[float, ...] | None
    """Metres per pixel of the files along each spatial axis, if they say."""
