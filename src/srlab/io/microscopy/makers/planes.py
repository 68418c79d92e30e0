"""The reader of makers' formats: an image is a set of planes, which a library reads one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window, window_shape
from srlab.files import PathLike, existing_file, file_and_image, with_image
from srlab.io.damage import CHECK_ENDING, damage_as_mistake, empty, unreadable
from srlab.io.description import Axis, Description
from srlab.io.handle import ProcessHandle
from srlab.io.microscopy.channels import named_channels
from srlab.io.microscopy.metadata import Metadata
from srlab.io.selection import chosen
from srlab.io.stored import without_infinities
from srlab.io.windows import check_window
from srlab.mistakes import MissingPackage, Mistake

EXTRA = "srlab[microscopes]"


@dataclass(frozen=True)
class Contents:
    """The sizes, types and metadata of an image in a maker's file."""

    sizes: Mapping[str, int]
    """The number of entries along ``t``, ``z``, ``y`` and ``x``; 1 for an axis that is missing."""

    types: Sequence[np.dtype[Any]]
    """The type of each channel; the samples of a pixel count as channels."""

    metadata: Metadata = field(default_factory=Metadata)


class Planes(Protocol):
    """An open file."""

    @property
    def image(self) -> str:
        """The name of the image that was chosen; empty where the file has but one."""

    @property
    def contents(self) -> Contents:
        """What the file says of this image."""

    def read(
        self, *, t: int, z: int, channels: Sequence[int], rows: slice, columns: slice
    ) -> NDArray[Any]:
        """Read ``(C, H, W)`` as stored: a part of some channels of one plane."""

    def close(self) -> None:
        """Release the file."""


Opener = Callable[[Path, str], Planes]
"""Opens an image of a maker's file, by its name (`srlab.io.images.chosen_image`).

It is a function of a module, since readers are pickled.
"""


class PlaneReader:
    """A reader of an image in a maker's file, with any of the axes T, C, Z, Y and X.

    The `opener` opens the file by the maker's library. If there are several images, the path
    chooses one, such as ``a.lif#cell``. Axes with a single entry are left out, except y and x.

    Raises a `Mistake` if there is no such file or image, or if nothing is chosen among several
    images. Also raises one if the library is missing or cannot read the file.
    """

    def __init__(
        self, path: PathLike, *, opener: Opener, bands: Sequence[int | str] | None = None
    ) -> None:
        file, wanted = file_and_image(path)
        self.path = existing_file(file)
        self._opener = opener
        self._handle = ProcessHandle(partial(opener, self.path, wanted), Planes.close)
        # nd2 0.12 raises a NameError for a channel without a dye; lxml raises a SyntaxError.
        with damage_as_mistake(
            f"{path} cannot be read", NameError, SyntaxError, advice=CHECK_ENDING
        ):
            planes = opener(self.path, wanted)
            try:
                self._image = planes.image
                whole = _described(planes.contents, str(path))
            finally:
                planes.close()
        self._indices = chosen(whole.names, bands, path)
        self._bands = bands and list(bands)
        self.description = whole.subset(self._indices)

    def __str__(self) -> str:
        return with_image(self.path, self._image)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(PlaneReader, opener=self._opener, bands=self._bands), (str(self),)

    def read(self, window: Window) -> NDArray[np.float32]:
        """Read ``(C, *window)`` as stored, NaN where a value is not finite.

        Raises a `Mistake` if the window is not inside the image, or the file is damaged there.
        """
        check_window(window, self.description.shape)
        names = [axis.name for axis in self.description.axes]
        spans = {"t": slice(0, 1), "z": slice(0, 1), **dict(zip(names, window, strict=True))}
        times, depths, rows, columns = (spans[name] for name in "tzyx")
        shape = window_shape((times, depths, rows, columns))
        values = np.empty((len(self._indices), *shape), np.float32)
        with damage_as_mistake(unreadable(self, window)):
            planes = self._handle.file()
            for t, z in product(range(shape[0]), range(shape[1])):
                values[:, t, z] = planes.read(
                    t=times.start + t,
                    z=depths.start + z,
                    channels=self._indices,
                    rows=rows,
                    columns=columns,
                )
        return without_infinities(values.reshape(-1, *window_shape(window)))

    def close(self) -> None:
        """Release the file."""
        self._handle.close()


def _described(contents: Contents, path: str) -> Description:
    metadata = contents.metadata
    if not contents.types or min(contents.sizes.values()) < 1:
        raise empty(path, tuple(contents.sizes.values()))
    kept = [name for name in "tzyx" if name in "yx" or contents.sizes.get(name, 1) > 1]
    axes = tuple(Axis(name, *metadata.spacing.get(name, (None, None))) for name in kept)
    shape = tuple(contents.sizes[name] for name in kept)
    channels = named_channels(metadata.names, metadata.colours, contents.types)
    return Description(shape, axes, channels, tags=metadata.tags)


def check_axes(path: Path, sizes: Mapping[str, int]) -> None:
    """Raise a `Mistake` for axes other than T, C, Z, Y and X; `sizes` are by their names."""
    others = [f"{name} of {size}" for name, size in sizes.items() if name not in "TCZYX"]
    if others:
        raise Mistake(
            f"{path} has the axis {' and '.join(others)}; any of T, C, Z, Y and X are read: save "
            "it with these."
        )


def check_all_planes(path: Path, found: int, claimed: int) -> None:
    """Raise a `Mistake` if a file has fewer planes than it claims."""
    if found < claimed:
        raise Mistake(
            f"{path} lacks some of its planes: it has {found} of {claimed}. Save the part that was "
            "taken as a file of its own."
        )


def missing_package(kind: str, package: str) -> MissingPackage:
    """Return the error that tells the user what to install for a kind of file."""
    return MissingPackage(
        f"{kind} files need the {package} library: python -m pip install '{EXTRA}'."
    )
