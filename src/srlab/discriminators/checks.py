"""Checks of the arguments of discriminators, and of the crops that they receive."""

from __future__ import annotations

from torch import Tensor

from srlab.axes import is_count
from srlab.mistakes import Mistake


def check_crop(image: Tensor, minimum: int, discriminator: str, *, remedy: str = "") -> None:
    """Raise a `Mistake` if a side of an image ``(B, C, *S)`` has fewer than `minimum` pixels.

    The message suggests larger crops, the `remedy` if there is one, and no discriminator.
    """
    size = tuple(image.shape[2:])
    if min(size) < minimum:
        remedies = "raise data.crop_size"
        if remedy:
            remedies = f"{remedies}, {remedy}"
        raise Mistake(
            f"the {discriminator} discriminator got crops of {size} pixels; "
            f"every side must be at least {minimum}: {remedies} or choose discriminator=none."
        )


def check_count(name: str, value: int) -> int:
    """Return `value` if it is an integer of at least 1; raise a `Mistake` otherwise."""
    if not is_count(value, least=1):
        raise Mistake(f"discriminator.{name} is {value}; it must be an integer of at least 1.")
    return value
