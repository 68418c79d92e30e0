"""The demands of discriminators on their arguments and crops."""

from __future__ import annotations

from torch import Tensor

from srlab.axes import is_count
from srlab.mistakes import Mistake


def check_crop(image: Tensor, minimum: int, discriminator: str, *, remedy: str = "") -> None:
    """Raise a `Mistake` if a side of ``(B, C, *S)`` is below `minimum`.

    `remedy` is one besides larger crops.
    """
    if min(image.shape[2:]) < minimum:
        remedies = ", ".join(filter(None, ("raise data.crop_size", remedy)))
        raise Mistake(
            f"the {discriminator} discriminator got crops of {tuple(image.shape[2:])} pixels; "
            f"every side must be at least {minimum}: {remedies} or choose discriminator=none."
        )


def check_count(name: str, value: int) -> int:
    """Return `value` if it is an integer of at least 1; otherwise raise a `Mistake`."""
    if not is_count(value, least=1):
        raise Mistake(f"discriminator.{name} is {value}; it must be an integer of at least 1.")
    return value
