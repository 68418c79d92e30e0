"""The losses of both networks, and the gradients of one update."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from srlab.degradations import Degradation
from srlab.discriminators import Judgement
from srlab.losses import Context, WeightedLoss
from srlab.mistakes import Mistake
from srlab.normalisers import Normaliser
from srlab.training.adversary import Adversary
from srlab.training.processes.ranks import average, several
from srlab.training.schedule import Schedule

Batch = dict[str, Tensor]


@dataclass(frozen=True)
class Forward:
    """What one pass of the generator gave, for both sides of the game."""

    loss: Tensor
    """What the generator minimises."""

    values: dict[str, Tensor]
    """Its parts by name, for the log."""

    finite: Tensor
    """Whether each sample's SR is finite, ``(B,)``."""

    sr: Tensor
    hr: Tensor
    """Both in the network's range, zero where pixels are hidden."""

    anything: Tensor | float
    """1, or 0 where nothing is valid in the whole update, which then counts for nothing."""

    real: Judgement | None
    """What the discriminator says of HR, if there is a game."""


@dataclass(frozen=True)
class Gathered:
    """What the micro-batches of one update gave on this rank, beside the gradients."""

    values: dict[str, Tensor]
    """The losses and their parts by name, averaged over micro-batches."""

    finite: Tensor
    """Whether the SR of each sample is finite."""


class Losses:
    """Computes what the generator and then the discriminator minimise; one pass of the generator serves both."""

    def __init__(
        self,
        *,
        generator: nn.Module,
        normaliser: Normaliser,
        content: WeightedLoss,
        degradation: Degradation,
        data_range: float,
    ) -> None:
        self.generator = generator
        self.normaliser = normaliser
        self.content = content
        self.degradation = degradation
        self.data_range = data_range

    def of_generator(
        self,
        batch: Batch,
        *,
        step: int,
        adversary: Adversary | None,
        share: float,
        valid_count: Tensor | None,
    ) -> Forward:
        """The generator's side; `share` is that of the adversarial weight in force."""
        lr, hr, valid = (
            self.normaliser.lr(batch["lr"]),
            self.normaliser.hr(batch["hr"]),
            batch.get("valid"),
        )
        sr = self.generator(lr, *self._noise(lr))
        content = self.content(
            sr,
            hr,
            Context(
                lr=lr,
                lr_physical=batch["lr"],
                valid=valid,
                valid_count=valid_count,
                step=step,
                data_range=self.data_range,
                degrade=one_draw(self.degradation, lr.device, seed=step),
                denormalise=self.normaliser.inverse,
            ),
        )
        values = {f"loss/{name}": value for name, value in content.terms.items()}
        values |= {f"weighted/{name}": value for name, value in content.weighted.items()}
        seen, wanted = without_hidden(sr, valid), without_hidden(hr, valid)
        anything = 1.0 if valid_count is None else (valid_count > 0).float()
        loss, real = content.total, None
        if adversary:
            real = adversary.discriminator(wanted)
            weights = adversary.weights(share)
            for name, value in adversary.generator_side(seen, real).items() if share > 0 else ():
                values[f"loss/{name}"], values[f"weighted/{name}"] = (
                    value,
                    weights[name] * anything * value,
                )
                loss = loss + values[f"weighted/{name}"]
        if not loss.requires_grad:
            raise Mistake(
                f"after {step} updates no loss term counts; see the terms' start_step and stop_step."
            )
        values["loss/content"], values["loss/generator"] = content.total, loss
        return Forward(
            loss, values, sr.detach().isfinite().flatten(1).all(dim=1), seen, wanted, anything, real
        )

    def of_discriminator(
        self, forward: Forward, *, update: int, adversary: Adversary
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The discriminator's side after `update` updates of its own: what it minimises, and its parts."""
        assert forward.real is not None
        values = adversary.discriminator_side(forward.sr, forward.hr, forward.real, update)
        return values["loss/discriminator"] * forward.anything, values

    def gather(
        self,
        micro_batches: Sequence[Batch],
        backward: Callable[[Tensor], None],
        *,
        step: int,
        adversary: Adversary | None,
        schedule: Schedule,
    ) -> Gathered:
        """Add up the gradients of both networks over the micro-batches of an update, each by its `backward`."""
        adversary = adversary if schedule.game(step) else None
        part, valid_count = 1 / len(micro_batches), _valid_count(micro_batches)
        values: dict[str, Tensor] = {}
        finite = []
        for batch in micro_batches:
            forward = self.of_generator(
                batch,
                step=step,
                adversary=adversary,
                share=schedule.share(step),
                valid_count=valid_count,
            )
            backward(forward.loss * part)
            found = forward.values
            if adversary and schedule.discriminator(step):
                loss, parts = self.of_discriminator(
                    forward, update=schedule.discriminator_updates(step), adversary=adversary
                )
                backward(loss * part)
                found |= parts
            values = {
                name: values.get(name, 0) + part * value.detach() for name, value in found.items()
            }
            finite.append(forward.finite)
        return Gathered(values, torch.cat(finite))

    def _noise(self, lr: Tensor) -> tuple[Tensor, ...]:
        """A vector for each image, for a generator that takes one."""
        channels = getattr(self.generator, "noise_channels", None)
        return () if channels is None else (torch.randn(len(lr), channels, device=lr.device),)


def without_hidden(image: Tensor, valid: Tensor | None) -> Tensor:
    """As a discriminator sees an image: hidden pixels are zero."""
    return image if valid is None else torch.where(valid, image, 0.0)


def _valid_count(micro_batches: Sequence[Batch]) -> Tensor | None:
    """Valid pixels of a micro-batch, averaged over the update's and over ranks; None if nothing can be hidden."""
    if not several() and not any("valid" in batch for batch in micro_batches):
        return None
    # filled on the device: to copy a number there, the host would wait
    counts = [
        batch["valid"].sum()
        if "valid" in batch
        else batch["hr"].new_full((), batch["hr"][:, 0].numel(), dtype=torch.long)
        for batch in micro_batches
    ]
    mean = torch.stack(counts).float().mean()
    average([mean])
    return mean


def one_draw(
    degradation: Degradation, device: torch.device, *, seed: int
) -> Callable[[Tensor], Tensor]:
    """The degradation with one draw of whatever is random in it."""
    return lambda hr: degradation(hr, generator=torch.Generator(device=device).manual_seed(seed))
