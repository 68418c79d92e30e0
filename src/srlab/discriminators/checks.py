"""What every discriminator asks of its arguments and its crops."""

from __future__ import annotations

from torch import Tensor

from srlab.mistakes import Mistake


def check_crop(image: Tensor, *, minimum: int, discriminator: str, remedy: str = "") -> None:
    """Raise a ``ValueError`` if a side of ``(B, C, *S)`` is below `minimum`; `remedy` is one besides larger crops."""
    if min(image.shape[2:]) < minimum:
        raise Mistake(
            f"the {discriminator} discriminator got crops of {tuple(image.shape[2:])} pixels; every side must be at "
            f"least {minimum}: raise data.crop_size{remedy and f', {remedy}'} or choose discriminator=none."
        )


def check_count(name: str, value: int) -> int:
    """Return `value` if it is at least 1, else raise a ``ValueError``."""
    if value < 1:
        raise Mistake(f"discriminator.{name} is {value}; it must be at least 1.")
    return value
