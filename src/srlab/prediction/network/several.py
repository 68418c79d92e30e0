"""Several predictions of one scene: their mean, and how far they are apart."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.data.places.symmetries import Turn, alike
from srlab.mistakes import Mistake
from srlab.models.card import ModelCard
from srlab.nn.shrinking import Spare
from srlab.prediction.blocks import Network, Predict

Pixels = NDArray[np.float32]


class Several:
    """The mean of several predictions, then their standard deviation (of a sample, N − 1).

    Sums go on from one to the next (Welford 1962), so that two pictures are held at a time.
    """

    def __init__(self, members: Sequence[Predict]) -> None:
        self._members = members

    def __call__(self, lr: Pixels, inside: Sequence[Window], spare: Spare) -> Pixels:
        """Return SR ``(N, 2 C', *S·scale)`` of LR ``(N, C, *S)``."""
        mean = self._members[0](lr, inside, spare)
        squares = np.zeros_like(mean)
        for number, member in enumerate(self._members[1:], start=2):
            sr = member(lr, inside, spare)
            before = sr - mean
            mean = mean + before / np.float32(number)
            squares += before * (sr - mean)
        deviation = np.sqrt(squares / np.float32(len(self._members) - 1))
        return np.concatenate([mean, deviation], axis=1)


class Turned:
    """A prediction of images that are turned for the network, and turned back."""

    def __init__(self, network: Network, turn: Turn) -> None:
        self._network, self._turn = network, turn

    def __call__(self, lr: Pixels, spare: Spare) -> Pixels:
        """Return SR ``(N, C', *S·scale)`` of LR ``(N, C, *S)``."""
        turned = np.stack([self._turn(image) for image in lr])
        back = self._turn.inverse(lr.ndim - 2)
        sr = self._network(turned, self._turn.of_sides(spare))
        return np.stack([back(image) for image in sr])


def turns_of(card: ModelCard) -> list[Turn]:
    """Return every turn and mirroring by which an image of a model stays one of its kind.

    Time is never mirrored, and axes change places only where scales and spacings are equal. So an
    image has eight turns, and a volume of thick slices sixteen.

    Raises a `Mistake` for a model of guides, whose channels are pixels in an order of their own.
    """
    if card.guides:
        raise Mistake(
            "tta=true cannot turn the guides of this model, whose channels are pixels in their "
            "order: leave tta out."
        )
    dims = len(card.scale)
    exchanged = alike(card.axes, (1,) * dims, card.scale)
    mirrored = [place for place, axis in enumerate(card.axes) if axis.name != "t"]
    found = []
    for drawn in permutations(exchanged):
        order = [*range(dims)]
        for place, axis in zip(exchanged, drawn, strict=True):
            order[place] = axis
        for chosen in product((False, True), repeat=len(mirrored)):
            pairs = zip(mirrored, chosen, strict=True)
            found.append(Turn(tuple(order), tuple(place for place, taken in pairs if taken)))
    return found
