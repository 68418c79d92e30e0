"""No normalisation."""

from __future__ import annotations

from torch import Tensor, nn


class Identity(nn.Module):
    """Leaves values as they are: for data whose physical units suit a network, as reflectance in 0–1 does."""

    def lr(self, image: Tensor) -> Tensor:
        """The image itself."""
        return image

    def hr(self, image: Tensor) -> Tensor:
        """The image itself."""
        return image

    def inverse(self, image: Tensor) -> Tensor:
        """The image itself."""
        return image
