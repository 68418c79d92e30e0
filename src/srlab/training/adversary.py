"""Adversary: the discriminator and its adversarial game with the generator."""

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
from srlab.training.losses import Side
from srlab.training.optimisers.optimisation import Optimisation

DISCRIMINATOR_VALUES = (
    "loss/discriminator",
    "discriminator/real",
    "discriminator/fake",
    "loss/penalty",
    "gradient/discriminator",
    "discriminator/paused",
)
"""The names of values that are logged only in updates of the discriminator."""


@dataclass(frozen=True)
class Adversary:
    """A discriminator and the objective of its game.

    The generator's loss has `weight` times the objective's generator side.
    """

    discriminator: nn.Module
    objective: Objective
    weight: float

    feature_matching: float
    """The weight of the distance between the discriminator's features of SR and HR; 0: none."""

    penalty: Penalty | None
    training: Optimisation

    def __post_init__(self) -> None:
        given = {"weight": self.weight, "feature_matching": self.feature_matching}
        for name, value in given.items():
            if not 0 <= value < math.inf:
                raise Mistake(f"adversarial.{name} is {value}; give a finite number >= 0.")

    def weights(self, share: float) -> dict[str, float]:
        """Return the weight of each term of the game; `share` is the ramp's share, in 0–1."""
        return {
            "adversarial": share * self.weight,
            "feature_matching": share * self.feature_matching,
        }

    def generator_side(
        self,
        content: Side,
        sr: Tensor,
        real: Judgement,
        *,
        share: float,
        anything: Tensor | float,
    ) -> Side:
        """Add the game's terms to the content loss, without gradients for the discriminator.

        `sr` is ``(B, C, *S)`` in the network's range, and `real` is the discriminator's output for
        HR. For `anything` see `Images.anything`.
        """
        if share == 0:
            return content
        with _frozen(self.discriminator):
            fake = self.discriminator(sr)
        terms = {"adversarial": self.objective.generator_loss(fake.logits, _detached(real.logits))}
        if self.feature_matching:
            terms["feature_matching"] = feature_matching(fake.features, _detached(real.features))
        weights, loss, values = self.weights(share), content.loss, dict(content.values)
        for name, value in terms.items():
            weighted = weights[name] * anything * value
            loss = loss + weighted
            values |= {f"loss/{name}": value, f"weighted/{name}": weighted}
        return Side(loss, values | {"loss/generator": loss})

    def discriminator_side(self, sr: Tensor, hr: Tensor, real: Judgement, update: int) -> Side:
        """Compute the discriminator's loss after `update` updates of its own."""
        sr = sr.detach()
        fake = self.discriminator(sr)
        loss = self.objective.discriminator_loss(fake.logits, real.logits)
        realness = self.objective.realness(_detached(fake.logits), _detached(real.logits))
        values = {
            "discriminator/fake": _mean(realness[0]),
            "discriminator/real": _mean(realness[1]),
        }
        if self.penalty and self.penalty.due(update):
            values["loss/penalty"] = self.penalty(self.discriminator, sr, hr)
            loss = loss + values["loss/penalty"]
        return Side(loss, {"loss/discriminator": loss, **values})

    def accuracies(self, sr: Tensor, hr: Tensor) -> dict[str, Tensor]:
        """Return the shares of correct logits for SR and for HR ``(B, C, *S)``, as two scalars.

        The discriminator does not change.
        """
        with _batch_statistics(self.discriminator):
            fake, real = self.discriminator(sr), self.discriminator(hr)
        realness = self.objective.realness(fake.logits, real.logits)
        return {
            "accuracy_fake": _mean(tuple(head < 0.5 for head in realness[0])),
            "accuracy_real": _mean(tuple(head > 0.5 for head in realness[1])),
        }


def _detached(tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(tensor.detach() for tensor in tensors)


def _mean(heads: Logits) -> Tensor:
    return mean_over_heads(heads, lambda head: head)


@contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    """Let gradients pass through a network without accumulating in its parameters."""
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)


@contextmanager
def _batch_statistics(network: nn.Module) -> Iterator[None]:
    """Let batch norm in evaluation mode normalise by the batch, as in training.

    Its running averages mix SR and HR, which are separate batches in training. With them, the
    discriminator would behave differently.
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
