"""The blur of Sentinel-2, band by band."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import Tensor

from srlab.degradations.gaussian_mtf import GaussianMtf
from srlab.mistakes import Mistake

MTF = {
    "B01": 0.32,
    "B02": 0.26,
    "B03": 0.28,
    "B04": 0.24,
    "B05": 0.38,
    "B06": 0.34,
    "B07": 0.34,
    "B08": 0.26,
    "B8A": 0.33,
    "B09": 0.26,
    "B11": 0.22,
    "B12": 0.23,
}
"""The MTF of each band at its Nyquist frequency (Ulfarsson et al. 2019, IEEE TGRS 57(9))."""


class Sentinel2Mtf:
    """Blurs each band with its own MTF, and samples LR pixels (Ulfarsson et al. 2019).

    It is `GaussianMtf` with the values of `MTF` at the Nyquist frequency of LR. `bands` are the
    names of the channels, such as ``B02`` or ``B05_20m``. Values are in any unit. The degradation
    is linear.

    Raises a `Mistake` if a band is not one of Sentinel-2's.
    """

    linear = True

    def __init__(
        self, *, bands: Sequence[int | str], scale: int | Sequence[int], spatial_dims: int = 2
    ) -> None:
        self._blur = GaussianMtf(
            scale=scale, mtf=[_mtf(band) for band in bands], spatial_dims=spatial_dims
        )
        self.scale = self._blur.scale

    def __call__(self, hr: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Degrade HR ``(B, C, *S·scale)`` to LR ``(B, C, *S)``; nothing here is random."""
        return self._blur(hr)


def _mtf(band: int | str) -> float:
    name = str(band).upper().partition("_")[0]
    value = MTF.get(re.sub(r"^B(\d)$", r"B0\1", name))
    if value is None:
        raise Mistake(
            f"Sentinel-2 has no MTF for band {band!r}: name its bands, such as data.bands=[B04], "
            "or choose degradation=gaussian_mtf."
        )
    return value
