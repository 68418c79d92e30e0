"""Formats that change values as they encode them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from srlab.axes import Window


@dataclass(frozen=True)
class Lossy:
    """An encoder that changes values, and the parts of an image that it encodes independently.

    A part that is encoded alone has the same values as in the whole image.
    """

    unit: str
    """The name of such parts, in the plural."""

    package: str
    """The package whose version settles what is encoded."""

    compared: Callable[[Window, Sequence[int]], Window]
    """Returns the part to be compared for a window of an image of a shape."""

    encoded: Callable[[Window, Sequence[int]], Window]
    """Returns what must be encoded for that part."""

    @property
    def version(self) -> str:
        """The name of the package, and its version here."""
        return f"{self.package} {version(self.package)}"
