"""Formats that change values as they encode them, and how to compare their outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from srlab.axes import Window


@dataclass(frozen=True)
class Lossy:
    """An encoder that changes values, and the parts of an image that it encodes independently.

    A part that is encoded alone has the same values as in the whole image. So a window of an output
    can be checked by encoding it again, without the rest of the image.
    """

    unit: str
    """The name of such parts in messages, in the plural."""

    package: str
    """The package with the encoder; another version may encode other values."""

    compared: Callable[[Window, Sequence[int]], Window]
    """A function of a window and the shape of its image; it returns the window to compare."""

    encoded: Callable[[Window, Sequence[int]], Window]
    """A function of the window to compare and the shape; it returns the window to encode."""

    @property
    def version(self) -> str:
        """The name of the package, and its version here."""
        return f"{self.package} {version(self.package)}"
