"""The discriminator, and its game with the generator."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from srlab.adversarial import Logits, Objective, Penalty, feature_matching
from srlab.adversarial.heads import mean_over_heads
from srlab.discriminators import Judgement
from srlab.mistakes import Mistake
from srlab.training.optimisers.optimisation import Training

OF_DISCRIMINATOR = (
    *("loss/discriminator", "discriminator/real", "discriminator/fake", "loss/penalty"),
    *("gradient/discriminator", "discriminator/paused"),
)
"""What there is to log of updates in which it learns."""

_KINDS = ("fake", "real")


@dataclass(frozen=True)
class Adversary:
    """A discriminator, the objective of its game, and what the game counts beside the content loss."""

    discriminator: nn.Module
    objective: Objective
    weight: float
    feature_matching: float
    """The weight of the distance between the discriminator's features of SR and HR; 0: none."""

    penalty: Penalty | None
    training: Training

    def __post_init__(self) -> None:
        for name in ("weight", "feature_matching"):
            if not 0 <= getattr(self, name) < math.inf:
                raise Mistake(
                    f"adversarial.{name} is {getattr(self, name)}; give a finite number >= 0."
                )

    def generator_side(self, sr: Tensor, real: Judgement) -> dict[str, Tensor]:
        """What the generator minimises, by name and unweighted; the discriminator gathers no gradients from it."""
        trained = [
            parameter for parameter in self.discriminator.parameters() if parameter.requires_grad
        ]
        for parameter in trained:
            parameter.requires_grad_(False)
        fake = self.discriminator(sr)
        for parameter in trained:
            parameter.requires_grad_(True)
        values = {"adversarial": self.objective.generator_loss(fake.logits, _detached(real.logits))}
        if self.feature_matching:
            values["feature_matching"] = feature_matching(fake.features, _detached(real.features))
        return values

    def weights(self, share: float) -> dict[str, float]:
        """The weight of each value of the generator's side, at a `share` of the full game."""
        return {
            "adversarial": share * self.weight,
            "feature_matching": share * self.feature_matching,
        }

    def discriminator_side(
        self, sr: Tensor, hr: Tensor, real: Judgement, update: int
    ) -> dict[str, Tensor]:
        """What the discriminator minimises after `update` updates, as ``loss/discriminator``, and its parts."""
        fake = self.discriminator(sr.detach())
        loss = self.objective.discriminator_loss(fake.logits, real.logits)
        taken = self.objective.realness(_detached(fake.logits), _detached(real.logits))
        values = {
            f"discriminator/{kind}": _mean(heads) for kind, heads in zip(_KINDS, taken, strict=True)
        }
        if self.penalty and self.penalty.due(update):
            values["loss/penalty"] = self.penalty(self.discriminator, sr.detach(), hr)
            loss = loss + values["loss/penalty"]
        return {"loss/discriminator": loss, **values}

    def accuracies(self, sr: Tensor, hr: Tensor) -> dict[str, Tensor]:
        """The shares of logits that are right, of SR and of HR ``(B, C, *S)``; two scalars, and nothing is learnt."""
        with _batch_statistics(self.discriminator):
            fake, real = self.objective.realness(
                self.discriminator(sr).logits, self.discriminator(hr).logits
            )
        right = tuple(head < 0.5 for head in fake), tuple(head > 0.5 for head in real)
        return {f"accuracy_{kind}": _mean(heads) for kind, heads in zip(_KINDS, right, strict=True)}


def _detached(tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(tensor.detach() for tensor in tensors)


def _mean(heads: Logits) -> Tensor:
    return mean_over_heads(heads, lambda head: head)


@contextmanager
def _batch_statistics(network: nn.Module) -> Iterator[None]:
    """Have batch norm in evaluation mode normalise by the batch, as it does in training.

    Its running averages mix SR and HR, which come in batches of their own: by them it judges quite differently.
    """
    layers = [layer for layer in network.modules() if isinstance(layer, _BatchNorm)]
    averages = [(layer.running_mean, layer.running_var) for layer in layers]
    for layer in layers:
        layer.running_mean = layer.running_var = None
    try:
        yield
    finally:
        for layer, (mean, variance) in zip(layers, averages, strict=True):
            layer.running_mean, layer.running_var = mean, variance
