"""The angle between spectra, which does not depend on their brightness."""

from __future__ import annotations

from torch import Tensor, nn

from srlab.losses.context import Context
from srlab.mistakes import Mistake
from srlab.nn.spectra import spectral_angle

_DARK = 1e-6
"""The length up to which a spectrum counts as having no direction, as a share of the data range.

The derivative of the angle grows with the inverse of the length, so it needs such a limit.
"""


class SpectralAngle(nn.Module):
    """Angle between the spectra of SR and HR, in radians (Kruse et al. 1993, eq. 2).

    Images are ``(B, C, *S)`` with ``C >= 2``, in physical units. A factor on a spectrum does not
    change its angle to other spectra. An offset does, such as the one that a normaliser subtracts.

    The map is ``(B, 1, *S)``, from 0 to π. The angle counts as zero where the spectrum of SR or HR
    is at most a millionth of the data range long.

    Raises a `Mistake` for images of a single channel.
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
        sr = sr / context.data_range
        hr = hr / context.data_range
        return spectral_angle(sr, hr, least=_DARK)
