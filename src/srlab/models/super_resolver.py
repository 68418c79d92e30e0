"""Normaliser and generator as one callable, and the bundle in which it is kept on disk."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from srlab.generators import Generator
from srlab.mistakes import Mistake
from srlab.models.bundle import ModelCard, build, check_fit, read_bundle, write_bundle
from srlab.normalisers import Normaliser


class SuperResolver(nn.Module):
    """``inverse ∘ generator ∘ forward``: LR in physical units to SR in physical units.

    Called on ``(B, C, *S)`` it returns ``(B, C', *S·scale)``, without gradients. `load` gives it in evaluation mode.
    """

    generator: Generator
    normaliser: Normaliser

    def __init__(self, *, generator: nn.Module, normaliser: nn.Module, card: ModelCard) -> None:
        super().__init__()
        self.generator = generator  # type: ignore[assignment]
        self.normaliser = normaliser  # type: ignore[assignment]
        self.card = card

    @torch.no_grad()
    def forward(self, lr: Tensor, noise: Tensor | None = None) -> Tensor:
        """Super-resolve a batch in physical units; `noise` is for generators that take it, ``(B, noise_channels)``."""
        dims = len(self.card.scale)
        if lr.ndim != dims + 2 or lr.shape[1] != self.generator.in_channels:
            raise Mistake(
                f"got an array of shape {tuple(lr.shape)}; this model takes (batch, "
                f"{self.generator.in_channels} channels, {dims} spatial axes)."
            )
        inputs = (self.normaliser.lr(lr),) if noise is None else (self.normaliser.lr(lr), noise)
        sr = self.generator(*inputs)
        # half precision would round physical units to three digits
        return self.normaliser.inverse(sr.to(torch.promote_types(sr.dtype, torch.float32)))

    def draw_noise(self, seed: int) -> Tensor:
        """Draw ``(1, noise_channels)`` for one sample of a stochastic generator: the same on every device for a seed.

        Raises a ``ValueError`` for a generator without noise, and for a seed that is no whole number below 2³².
        """
        channels = getattr(self.generator, "noise_channels", None)
        if channels is None:
            raise Mistake(
                f"noise_seed is {seed!r} and {type(self.generator).__name__} takes no noise; leave noise_seed out, or "
                "use a model with a stochastic generator."
            )
        # torch's CPU generator ignores higher bits: a seed of 2³² would repeat the sample of 0
        if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**32:
            raise Mistake(f"noise_seed is {seed!r}; give a whole number from 0 to 4294967295.")
        return torch.randn(1, channels, generator=torch.Generator().manual_seed(seed))

    def save(self, path: str | Path) -> None:
        """Write the bundle; an earlier one at `path` is replaced only by a complete one."""
        write_bundle(path, tensors=self.state_dict(), card=self.card)

    @classmethod
    def load(cls, path: str | Path, *, trust: bool = False) -> SuperResolver:
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
        """Build the modules that the card names and fill them."""
        try:
            if not trust:
                check_fit(card.generator, _part(tensors, "generator."), package="srlab.generators")
            model = cls(
                generator=build(card.generator, package="srlab.generators", trust=trust),
                normaliser=build(card.normaliser, package="srlab.normalisers", trust=trust),
                card=card,
            )
            model.load_state_dict(dict(tensors))
        except ValueError as error:
            raise Mistake(f"{source} cannot be opened: {error}") from error
        except RuntimeError as error:
            raise Mistake(
                f"{source} is damaged: its tensors are not those of the model it names. {_first_lines(error)}"
            ) from error
        if model.generator.scale != card.scale:
            raise Mistake(
                f"{source} is damaged: its card says scale {card.scale} and its generator {model.generator.scale}."
            )
        return model.eval().requires_grad_(False)


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors below a prefix, without it."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def _first_lines(error: RuntimeError, most: int = 300) -> str:
    """What `load_state_dict` complains of, on one line; it may list a thousand names."""
    text = " ".join(str(error).partition("\n")[2].split())
    return text if len(text) <= most else f"{text[:most]}…"


def file_hash(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
