"""The angle between spectra, blind to brightness."""

from __future__ import annotations

from torch import Tensor, nn

from srlab.losses.context import Context
from srlab.mistakes import Mistake
from srlab.nn.spectra import spectral_angle

_DARK = 1e-6
"""Length in data ranges up to which a spectrum has no direction.

Derivatives grow as the inverse of the length.
"""


class SpectralAngle(nn.Module):
    """Angle between the spectra of SR and HR, in radians (Kruse et al. 1993, eq. 2).

    Both are ``(B, C, *S)`` with ``C >= 2``, in physical units. A factor on a spectrum leaves its
    angle to others alone, but the shift of a normaliser would not. The map is ``(B, 1, *S)``, from
    0 to pi. The angle counts as zero where SR or HR is shorter than a millionth of the data range.
    """

    space = "physical"

    def forward(self, sr: Tensor, hr: Tensor, context: Context) -> Tensor:
        """Return the map of angles, ``(B, 1, *S)``."""
        channels = sr.shape[1]
        if channels < 2:
            raise Mistake(
                f"the spectral angle got images of {channels} channel; it needs at least 2: choose "
                "more data.bands, or leave spectral_angle out of loss=."
            )
        return spectral_angle(sr / context.data_range, hr / context.data_range, least=_DARK)
