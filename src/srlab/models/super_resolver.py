"""`SuperResolver`: a model in use, with normaliser and generator as one callable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import srlab
from srlab.axes import is_count
from srlab.files import PathLike
from srlab.generators import Generator, core, margin, noise_channels, out_channels
from srlab.mistakes import Mistake
from srlab.models.agreement import Agreement, agreement_of
from srlab.models.bundle import below, read_bundle, write_bundle
from srlab.models.card import JSON, ModelCard
from srlab.models.messages import shortened
from srlab.models.rebuilding import build, check_fit
from srlab.nn.edges import Edges, check_edges, continued
from srlab.nn.holes import filled
from srlab.nn.masks import repeated
from srlab.nn.shrinking import Spare
from srlab.normalisers import Normaliser


class SuperResolver(nn.Module):
    """A model that maps LR in physical units to SR in physical units.

    It is called on whole images ``(B, C, *S)`` and returns ``(B, C', *S·scale)``, without
    gradients. The normaliser maps LR to the range of the network, the generator makes SR, and the
    normaliser's inverse maps SR back. With an `agreement`, SR is then projected, so that it
    degrades to LR. A loaded model is in evaluation mode.
    """

    generator: Generator
    normaliser: Normaliser

    def __init__(
        self,
        *,
        generator: nn.Module,
        normaliser: nn.Module,
        card: ModelCard,
        agreement: Agreement | None = None,
    ) -> None:
        super().__init__()
        self.generator = cast(Generator, generator)
        self.normaliser = cast(Normaliser, normaliser)
        self.card = card
        self.agreement = agreement

    @property
    def out_channels(self) -> int:
        """The number of SR channels."""
        return out_channels(self.generator) or len(self.card.output_names)

    @torch.no_grad()
    def forward(
        self,
        lr: Tensor,
        noise: Tensor | None = None,
        scene: Tensor | None = None,
        *,
        edges: Edges | None = None,
    ) -> Tensor:
        """Super-resolve a batch of whole images in physical units.

        - `noise` ``(B, noise_channels)`` is for stochastic generators; see `draw_noise`.
        - `scene` ``(B, rows, C + 1)`` holds the statistics of the whole file of each image.
          Normalisers of the scope ``scene`` need it.
        - `edges` is the padding beyond the borders; None: the default of the card.

        A pixel is NaN in SR unless all its channels are finite in LR. The network sees the nearest
        valid value in its place.

        Raises a `Mistake` if `lr` has another shape or `scene` is missing.
        """
        self._check(lr, scene)
        missing = ~lr.isfinite().all(dim=1, keepdim=True)
        some_missing = bool(missing.any())
        if some_missing:
            images = [torch.from_numpy(filled(image)) for image in lr.float().cpu().numpy()]
            lr = torch.stack(images).to(lr)

        padding = (0,) * self.card.spatial_dims
        mode = check_edges(edges or self.card.edges)
        if mode != "zeros":  # each layer pads with zeros itself
            padding = margin(self.generator)
        spare = tuple((pixels, pixels) for pixels in padding)
        sr = self.tile(continued(lr, padding, mode), noise, scene, spare=spare)

        if self.agreement:
            sr = self.agreement(sr, lr)
        if some_missing:
            sr = sr.masked_fill(repeated(missing, self.card.scale), torch.nan)
        return sr

    @torch.no_grad()
    def tile(
        self,
        lr: Tensor,
        noise: Tensor | None = None,
        scene: Tensor | None = None,
        *,
        spare: Spare | None = None,
    ) -> Tensor:
        """Super-resolve one tile of an image: nothing is added around it, and nothing projected.

        All values of `lr` must be finite. `spare` is the number of LR pixels at both ends of each
        axis that are only context for the others. SR does not contain them. The other arguments
        are those of a call. A projection is left out, since it depends on where the image ends.
        """
        self._check(lr, scene)
        inputs = [self.normaliser.lr(lr, scene)]
        if noise is not None:
            inputs.append(noise)
        sr = core(self.generator, *inputs, spare=spare) if spare else self.generator(*inputs)
        # Half precision would round physical units to three digits.
        sr = sr.to(torch.promote_types(sr.dtype, torch.float32))
        return self.normaliser.inverse(sr, scene)

    def tiled(
        self,
        array: NDArray[Any],
        *,
        tile: int | Sequence[int] | str = "auto",
        overlap: int | Sequence[int] | str = "auto",
    ) -> NDArray[np.float32]:
        """Super-resolve an array ``(C, *S)`` of any size, tile by tile; see `srlab.tiled`."""
        return srlab.tiled(self, array, tile=tile, overlap=overlap)

    def _check(self, lr: Tensor, scene: Tensor | None) -> None:
        dims = self.card.spatial_dims
        if lr.ndim != dims + 2 or lr.shape[1] != self.generator.in_channels:
            raise Mistake(
                f"got an array of shape {tuple(lr.shape)}; this model takes (batch, "
                f"{self.generator.in_channels} channels, {dims} spatial axes)."
            )
        if scene is None and self.normaliser.scope == "scene":
            raise Mistake(
                "this model needs the statistics of each whole image, never those of a tile; give "
                "scene=Statistics.of(image).as_tensor()[None], with srlab.normalisers.Statistics."
            )

    def draw_noise(self, seed: int) -> Tensor:
        """Draw the noise ``(1, noise_channels)`` of one sample, equal on all devices for a seed.

        Raises a `Mistake` if the generator takes no noise, or `seed` is not a whole number from 0
        to 2³² - 1.
        """
        channels = noise_channels(self.generator)
        if channels is None:
            raise Mistake(
                f"{type(self.generator).__name__} takes no noise, so it makes no samples; leave "
                "noise_seed and samples out, or use a model with a stochastic generator."
            )
        # torch's CPU generator ignores higher bits: a seed of 2³² would repeat the sample of 0.
        if not is_count(seed) or seed >= 2**32:
            raise Mistake(f"noise_seed is {seed!r}; give a whole number from 0 to 4294967295.")
        return torch.randn(1, channels, generator=torch.Generator().manual_seed(seed))

    def of_planes(self) -> SuperResolver:
        """Return the same model for images that are already planes across thick slices.

        The model itself takes volumes, and cuts such planes out of them.
        """
        return self._with(replace(self.card, across=""), self.agreement)

    def projected(
        self, degradation: Mapping[str, JSON] | None = None, *, trust: bool = False
    ) -> SuperResolver:
        """Return the same model, but with SR projected to agree with LR; see `agreement_of`."""
        agreement = self.agreement or agreement_of(self.card, degradation, trust=trust)
        return self._with(self.card, agreement)

    def _with(self, card: ModelCard, agreement: Agreement | None) -> SuperResolver:
        """Return a model with the same generator and normaliser, and another card or agreement."""
        made = SuperResolver(
            generator=self.get_submodule("generator"),
            normaliser=self.get_submodule("normaliser"),
            card=card,
            agreement=agreement,
        )
        return made.train(self.training)

    def save(self, path: PathLike) -> None:
        """Write the bundle; an existing file is replaced only when the new one is complete."""
        write_bundle(path, tensors=self.state_dict(), card=self.card)

    @classmethod
    def load(cls, path: PathLike, *, trust: bool = False) -> SuperResolver:
        """Open a bundle or a checkpoint; see `srlab.load`."""
        tensors, card = read_bundle(path)
        return cls.from_card(card, tensors, trust=trust, source=str(path))

    @classmethod
    def from_card(
        cls,
        card: ModelCard,
        tensors: Mapping[str, Tensor],
        *,
        trust: bool = False,
        source: str = "the bundle",
    ) -> SuperResolver:
        """Build the networks that the card names, and load `tensors` into them.

        Raises a `Mistake`, which names the `source`, if they do not fit or are not allowed.
        """
        try:
            if not trust:
                _check_recipes(card, tensors)
            model = cls(
                generator=build(card.generator, package="srlab.generators", trust=trust),
                normaliser=build(card.normaliser, package="srlab.normalisers", trust=trust),
                card=card,
            )
            model.load_state_dict(dict(tensors))
            if card.projection:
                model.agreement = agreement_of(card, trust=trust)
        except Mistake as error:
            raise Mistake(f"{source} cannot be opened: {error}") from error
        except RuntimeError as error:
            names = shortened(str(error).partition("\n")[2])  # a thousand tensors may be listed
            raise Mistake(
                f"{source} is damaged: its tensors are not those of the model it names. {names}"
            ) from error
        model.check_card(source)
        return model.eval().requires_grad_(False)

    def check_card(self, source: str) -> None:
        """Raise a `Mistake`, which names the `source`, if the card contradicts the network."""
        by_card = {"scale": self.card.scale, "output channels": len(self.card.output_names)}
        by_network = {"scale": self.generator.scale, "output channels": self.out_channels}
        for name, value in by_card.items():
            if value != by_network[name]:
                raise Mistake(
                    f"{source} is damaged: its card says {name} {value} and its generator "
                    f"{by_network[name]}."
                )


def _check_recipes(card: ModelCard, tensors: Mapping[str, Tensor]) -> None:
    """Raise a `Mistake` if the generator or normaliser of a card is larger than its tensors."""
    check_fit(card.generator, below(tensors, "generator."), package="srlab.generators")
    for channels in _channels(card.normaliser):
        if channels not in (len(card.input_names), len(card.output_names)):
            raise Mistake(
                f"its normaliser is for {shortened(repr(channels), 50)} channels; the card names "
                f"{len(card.input_names)} input and {len(card.output_names)} output channels."
            )


def _channels(recipe: Mapping[str, JSON]) -> Iterator[JSON]:
    """Yield every number of channels in a recipe, and in the recipes among its arguments."""
    for name, value in recipe.items():
        if name == "channels":
            yield value
        elif isinstance(value, dict):
            yield from _channels(value)
        elif isinstance(value, list):
            for entry in value:
                if isinstance(entry, dict):
                    yield from _channels(entry)
