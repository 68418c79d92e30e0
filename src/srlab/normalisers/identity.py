"""The identity, for images that need no normalisation."""

from __future__ import annotations

from torch import Tensor, nn

from srlab.normalisers.protocol import Scope


class Identity(nn.Module):
    """Returns every image unchanged, for units that suit a network, such as reflectance in 0–1."""

    scope: Scope = "fixed"

    def lr(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Return the image itself."""
        return image

    def hr(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Return the image itself."""
        return image

    def inverse(self, image: Tensor, scene: Tensor | None = None) -> Tensor:
        """Return the image itself."""
        return image
