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
    """The images of a micro-batch in the network's range: LR, HR, and the generator's SR."""

    batch: Batch
    """The micro-batch in physical units."""

    lr: Tensor
    hr: Tensor
    sr: Tensor

    valid_count: Tensor | None
    """The number of valid pixels that `count_valid` returns for the update."""

    @property
    def any_valid(self) -> Tensor | float:
        """1 if the update has a valid pixel, otherwise 0; a factor of the adversarial losses."""
        if self.valid_count is None:
            return 1.0
        return (self.valid_count > 0).float()

    @property
    def finite(self) -> Tensor:
        """Whether the SR of each sample is finite: booleans ``(B,)``."""
        return self.sr.detach().isfinite().flatten(1).all(dim=1)

    def visible(self) -> tuple[Tensor, Tensor]:
        """Return SR and HR for the discriminator, with pixels that are not valid set to zero."""
        valid = self.batch.get("valid")
        return without_hidden(self.sr, valid), without_hidden(self.hr, valid)


@dataclass(frozen=True)
class NetworkLoss:
    """The loss of one network on a micro-batch: of the generator or of the discriminator."""

    total: Tensor
    """The scalar for the backward pass."""

    values: dict[str, Tensor]
    """The total and its parts as scalars for the log, by name."""


class Losses:
    """Runs the generator on a micro-batch and compares its SR with HR.

    An `agreement` projects SR in physical units, so that degrading it gives LR. Gradients pass
    through the projection. The network then learns only what the degradation removes.
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
        """Super-resolve a micro-batch; a stochastic generator gets a noise vector per image."""
        scene = batch.get("scene")
        lr = self.normaliser.lr(batch["lr"], scene)
        hr = self.normaliser.hr(batch["hr"], scene)

        inputs = [lr]
        channels = noise_channels(self.generator)
        if channels is not None:
            inputs.append(torch.randn(len(lr), channels, device=lr.device))
        sr = self.generator(*inputs)

        if self.agreement:
            physical = self.normaliser.inverse(sr.float(), scene)
            projected = self.agreement(physical, batch["lr"])
            sr = self.normaliser.hr(projected, scene)
        return Images(batch, lr, hr, sr, valid_count)

    def content_loss(self, images: Images, step: int) -> NetworkLoss:
        """Return the weighted sum of the loss terms that count after `step` updates."""
        batch = images.batch
        lr = images.lr
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
        return NetworkLoss(content.total, values)


def count_valid(micro_batches: Sequence[Batch]) -> Tensor | None:
    """Return the mean number of valid pixels of a micro-batch, over the update and all ranks.

    In a single process whose micro-batches have no masks, the result is None.
    """
    masked = any("valid" in batch for batch in micro_batches)
    if not masked and not several():
        return None
    counts = torch.stack([_count(batch) for batch in micro_batches])
    mean = counts.float().mean()
    average([mean])
    return mean


def _count(batch: Batch) -> Tensor:
    """Return the number of valid pixels of a micro-batch, as a scalar on its device."""
    if "valid" in batch:
        return batch["valid"].sum()
    hr = batch["hr"]
    # The scalar is made on the device. If it were copied there, the host would wait.
    return hr.new_full((), hr[:, 0].numel(), dtype=torch.long)


def one_draw(
    degradation: Degradation, device: torch.device, *, seed: int
) -> Callable[[Tensor], Tensor]:
    """Return the degradation as a function that draws the same random numbers at every call."""

    def degrade(hr: Tensor) -> Tensor:
        generator = torch.Generator(device=device).manual_seed(seed)
        return degradation(hr, generator=generator)

    return degrade
