"""Adversary: the discriminator, and the losses of adversarial training."""

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
from srlab.training.losses import NetworkLoss
from srlab.training.optimisers.optimisation import Optimisation

DISCRIMINATOR_VALUES = (
    "loss/discriminator",
    "discriminator/real",
    "discriminator/fake",
    "loss/penalty",
    "gradient/discriminator",
    "discriminator/paused",
)
"""The names of the values that only an update of the discriminator has."""


@dataclass(frozen=True)
class Adversary:
    """A discriminator, its adversarial objective, and the weights of the adversarial terms.

    Raises a `Mistake` if a weight is negative or not finite.
    """

    discriminator: nn.Module
    objective: Objective

    weight: float
    """The factor of the objective's generator loss in the loss of the generator."""

    feature_matching: float
    """The weight of the distance between the discriminator's features of SR and HR; 0: none."""

    penalty: Penalty | None
    """A term of the discriminator's loss, such as R1; None: no term."""

    training: Optimisation
    """The optimiser, learning rate and clipping of the discriminator."""

    def __post_init__(self) -> None:
        given = {"weight": self.weight, "feature_matching": self.feature_matching}
        for name, value in given.items():
            if not 0 <= value < math.inf:
                raise Mistake(f"adversarial.{name} is {value}; give a finite number >= 0.")

    def weights(self, share: float) -> dict[str, float]:
        """Return the weight of each adversarial term at the `share` of the ramp, in 0–1."""
        return {
            "adversarial": share * self.weight,
            "feature_matching": share * self.feature_matching,
        }

    def generator_loss(
        self,
        content: NetworkLoss,
        sr: Tensor,
        real: Judgement,
        *,
        share: float,
        any_valid: Tensor | float,
    ) -> NetworkLoss:
        """Return the `content` loss plus the adversarial terms.

        No gradient reaches the discriminator's parameters. `sr` is ``(B, C, *S)`` in the network's
        range, and `real` is the discriminator's output for HR. `any_valid` is `Images.any_valid`.
        """
        if share == 0:
            return content
        with _frozen(self.discriminator):
            fake = self.discriminator(sr)

        real_logits = _detached(real.logits)
        terms = {"adversarial": self.objective.generator_loss(fake.logits, real_logits)}
        if self.feature_matching:
            real_features = _detached(real.features)
            terms["feature_matching"] = feature_matching(fake.features, real_features)

        weights = self.weights(share)
        total = content.total
        values = dict(content.values)
        for name, value in terms.items():
            weighted = weights[name] * any_valid * value
            total = total + weighted
            values[f"loss/{name}"] = value
            values[f"weighted/{name}"] = weighted
        values["loss/generator"] = total
        return NetworkLoss(total, values)

    def discriminator_loss(
        self, sr: Tensor, hr: Tensor, real: Judgement, update: int
    ) -> NetworkLoss:
        """Return the discriminator's loss after `update` updates of its own.

        No gradient reaches the generator. `sr` and `hr` are ``(B, C, *S)`` in the network's range,
        and `real` is the discriminator's output for HR.
        """
        sr = sr.detach()
        fake = self.discriminator(sr)
        total = self.objective.discriminator_loss(fake.logits, real.logits)

        fake_logits, real_logits = _detached(fake.logits), _detached(real.logits)
        realness_of_fake, realness_of_real = self.objective.realness(fake_logits, real_logits)
        values = {
            "discriminator/fake": _mean(realness_of_fake),
            "discriminator/real": _mean(realness_of_real),
        }

        if self.penalty and self.penalty.due(update):
            penalty = self.penalty(self.discriminator, sr, hr)
            values["loss/penalty"] = penalty
            total = total + penalty
        return NetworkLoss(total, {"loss/discriminator": total, **values})

    def accuracies(self, sr: Tensor, hr: Tensor) -> dict[str, Tensor]:
        """Return the shares of correct logits for SR and for HR ``(B, C, *S)``, as scalars in 0–1.

        The discriminator is not changed.
        """
        with _batch_statistics(self.discriminator):
            fake = self.discriminator(sr)
            real = self.discriminator(hr)
        realness_of_fake, realness_of_real = self.objective.realness(fake.logits, real.logits)
        correct_of_fake = tuple(head < 0.5 for head in realness_of_fake)
        correct_of_real = tuple(head > 0.5 for head in realness_of_real)
        return {
            "accuracy_fake": _mean(correct_of_fake),
            "accuracy_real": _mean(correct_of_real),
        }


def _detached(tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(tensor.detach() for tensor in tensors)


def _mean(heads: Logits) -> Tensor:
    """Return the mean over heads of the mean within each head."""
    return mean_over_heads(heads, lambda head: head)


@contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    """Let gradients flow through a network to its input, but not into its parameters."""
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

    In training, SR and HR are separate batches, each with its own statistics. The running averages
    mix both, so with them the discriminator would give other logits.
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
