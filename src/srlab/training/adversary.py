"""The discriminator, and its game with the generator."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from srlab.adversarial import Objective, Penalty, feature_matching
from srlab.discriminators import Judgement
from srlab.training.optimisation import Training


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

    def generator_side(self, sr: Tensor, real: Judgement) -> dict[str, Tensor]:
        """What the generator minimises, by name and unweighted; the discriminator gathers no gradients from it."""
        trained = [parameter for parameter in self.discriminator.parameters() if parameter.requires_grad]
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
        return {"adversarial": share * self.weight, "feature_matching": share * self.feature_matching}

    def discriminator_side(self, sr: Tensor, hr: Tensor, real: Judgement, step: int) -> dict[str, Tensor]:
        """What the discriminator minimises, as ``loss/discriminator``, and what it is made of."""
        fake = self.discriminator(sr.detach())
        loss = self.objective.discriminator_loss(fake.logits, real.logits)
        values = {"discriminator/real": _probability(real), "discriminator/fake": _probability(fake)}
        if self.penalty and self.penalty.due(step):
            values["loss/penalty"] = self.penalty(self.discriminator, sr.detach(), hr)
            loss = loss + values["loss/penalty"]
        return {"loss/discriminator": loss, **values}


def _detached(tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(tensor.detach() for tensor in tensors)


def _probability(judgement: Judgement) -> Tensor:
    return torch.stack([head.detach().float().sigmoid().mean() for head in judgement.logits]).mean()
