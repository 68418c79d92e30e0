"""Any architecture that the spandrel library recognises by its weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlab.axes import per_axis
from srlab.mistakes import MissingPackage, Mistake


class Spandrel(nn.Module):
    """A published network, rebuilt from its weights by the spandrel library and trainable.

    It is empty until weights are loaded (``weights=PATH``, or a bundle's tensors); `out_channels`
    is the number of input channels until then. It takes and returns RGB images in 0–1. Maps
    ``(B, in_channels, H, W)`` to ``(B, out_channels, H·scale, W·scale)``. Where the architecture
    limits the sizes, border pixels are repeated and the result is cropped. Needs
    ``pip install 'srlab[spandrel]'``.
    """

    noise_channels = None
    built_from_weights = True

    def __init__(
        self, *, in_channels: int, scale: int | Sequence[int], spatial_dims: int = 2
    ) -> None:
        super().__init__()
        if spatial_dims != 2:
            raise Mistake(
                f"generator=spandrel reads 2D architectures, and spatial_dims is {spatial_dims}."
            )
        self.in_channels = self.out_channels = in_channels
        self.scale, self.multiple_of = per_axis(scale, spatial_dims), (1,) * spatial_dims
        self.network: nn.Module | None = None
        self._padding: Any = None

    def forward(self, lr: Tensor) -> Tensor:
        """LR to SR, both in 0–1."""
        if self.network is None:
            raise Mistake(
                "generator=spandrel has no architecture yet: name a published model by "
                "weights=PATH."
            )
        height, width = lr.shape[2:]
        right, below = self._padding(width, height)
        if right or below:
            lr = F.pad(lr, (0, right, 0, below), mode="replicate")
        sr: Tensor = self.network(lr)
        return sr[..., : height * self.scale[0], : width * self.scale[1]]

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        """Build the architecture that the tensors belong to, before torch loads them into it.

        A published file has the architecture's own names. A checkpoint or bundle has the same names
        under ``network.``.
        """
        own = [name for name in state_dict if name.startswith(prefix)]
        inner = prefix + "network."
        if not any(name.startswith(inner) for name in own):
            for name in own:
                state_dict[inner + name.removeprefix(prefix)] = state_dict.pop(name)
        tensors = {
            name.removeprefix(inner): tensor
            for name, tensor in state_dict.items()
            if name.startswith(inner)
        }
        if self.network is None and tensors:
            self._rebuild(tensors)
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _rebuild(self, tensors: dict[str, Tensor]) -> None:
        found = recognised(tensors)
        if (found.scale, found.scale, found.input_channels) != (*self.scale, self.in_channels):
            raise Mistake(
                f"the weights are a {found.architecture.name} for scale {found.scale} and "
                f"{found.input_channels} channels; the run has scale {self.scale} and "
                f"{self.in_channels} channels."
            )
        self.network = found.model.requires_grad_(True)
        self.out_channels = found.output_channels
        self._padding = found.size_requirements.get_padding


def recognised(tensors: Mapping[str, Tensor]) -> Any:
    """Return spandrel's description of the network that has these tensors, filled with them.

    A `Mistake` says if spandrel is not installed, or knows no such network from image to image.
    """
    try:
        from spandrel import ImageModelDescriptor, ModelLoader, UnsupportedModelError
    except ImportError as error:
        raise MissingPackage(
            "generator=spandrel needs the spandrel library: pip install 'srlab[spandrel]'."
        ) from error
    try:
        with torch.device("cpu"):
            found = ModelLoader(device="cpu").load_from_state_dict(dict(tensors))
    except UnsupportedModelError as error:
        raise Mistake("the weights belong to no architecture that spandrel recognises.") from error
    if not isinstance(found, ImageModelDescriptor):
        raise Mistake(f"spandrel reads {found.architecture.name}, which takes more than an image.")
    return found
