"""The generator's forward pass on a micro-batch, and its content loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from srlab.degradations import Degradation
from srlab.generators.protocol import Generator, noise_channels
from srlab.losses import Context, WeightedLoss
from srlab.models.agreement import Agreement
from srlab.nn.masks import without_hidden
from srlab.normalisers import Normaliser
from srlab.training.processes.ranks import average, several

Batch = dict[str, Tensor]


@dataclass(frozen=True)
class Images:
    """A micro-batch in the network's range, and the generator's SR of it."""

    batch: Batch
    """The micro-batch itself, in physical units."""

    lr: Tensor
    hr: Tensor
    sr: Tensor

    valid_count: Tensor | None
    """See `count_valid`."""

    @property
    def anything(self) -> Tensor | float:
        """1, or 0 if the whole update has no valid pixel and must not count."""
        if self.valid_count is None:
            return 1.0
        return (self.valid_count > 0).float()

    @property
    def finite(self) -> Tensor:
        """``(B,)``: whether the SR of each sample is finite."""
        return self.sr.detach().isfinite().flatten(1).all(dim=1)

    def visible(self) -> tuple[Tensor, Tensor]:
        """Return SR and HR with hidden pixels set to zero, as the discriminator sees them."""
        valid = self.batch.get("valid")
        return without_hidden(self.sr, valid), without_hidden(self.hr, valid)


@dataclass(frozen=True)
class Side:
    """The loss of one network, generator or discriminator."""

    loss: Tensor

    values: dict[str, Tensor]
    """The loss and its parts by name, for the log."""


class Losses:
    """Runs the generator on a micro-batch and compares its SR with HR.

    With an `agreement`, SR is projected in physical units to agree with LR. Gradients pass through
    the projection, so the network learns only what the degradation removes.
    """

    def __init__(
        self,
        *,
        generator: Generator,
        normaliser: Normaliser,
        content: WeightedLoss,
        degradation: Degradation,
        data_range: float,
        agreement: Agreement | None = None,
    ) -> None:
        self.generator = generator
        self.normaliser = normaliser
        self.content = content
        self.degradation = degradation
        self.data_range = data_range
        self.agreement = agreement

    def forward(self, batch: Batch, valid_count: Tensor | None) -> Images:
        """Super-resolve a micro-batch, with a noise vector per image for a stochastic generator."""
        scene = batch.get("scene")
        lr = self.normaliser.lr(batch["lr"], scene)
        hr = self.normaliser.hr(batch["hr"], scene)
        inputs, channels = [lr], noise_channels(self.generator)
        if channels is not None:
            inputs.append(torch.randn(len(lr), channels, device=lr.device))
        sr = self.generator(*inputs)
        if self.agreement:
            physical = self.normaliser.inverse(sr.float(), scene)
            sr = self.normaliser.hr(self.agreement(physical, batch["lr"]), scene)
        return Images(batch, lr, hr, sr, valid_count)

    def content_side(self, images: Images, step: int) -> Side:
        """Return the weighted sum of the loss terms that count after `step` updates."""
        batch, lr = images.batch, images.lr
        context = Context(
            lr=lr,
            lr_physical=batch["lr"],
            hr_physical=batch["hr"],
            valid=batch.get("valid"),
            valid_count=images.valid_count,
            step=step,
            data_range=self.data_range,
            degrade=one_draw(self.degradation, lr.device, seed=step),
            denormalise=lambda image: self.normaliser.inverse(image, batch.get("scene")),
        )
        content = self.content(images.sr, images.hr, context)
        values = {f"loss/{name}": value for name, value in content.terms.items()}
        values |= {f"weighted/{name}": value for name, value in content.weighted.items()}
        values |= {"loss/content": content.total, "loss/generator": content.total}
        return Side(content.total, values)


def count_valid(micro_batches: Sequence[Batch]) -> Tensor | None:
    """Return the mean number of valid pixels of a micro-batch, over the update and all ranks.

    It is None in a single process without hidden pixels.
    """
    if not several() and not any("valid" in batch for batch in micro_batches):
        return None
    mean = torch.stack([_count(batch) for batch in micro_batches]).float().mean()
    average([mean])
    return mean


def _count(batch: Batch) -> Tensor:
    if "valid" in batch:
        return batch["valid"].sum()
    hr = batch["hr"]
    # Filled on the device, since copying a number there would make the host wait.
    return hr.new_full((), hr[:, 0].numel(), dtype=torch.long)


def one_draw(
    degradation: Degradation, device: torch.device, *, seed: int
) -> Callable[[Tensor], Tensor]:
    """Return the degradation as a function that draws the same random numbers at every call."""
    return lambda hr: degradation(hr, generator=torch.Generator(device=device).manual_seed(seed))
