"""The guard against losses and gradients that are not finite."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Literal, get_args

import torch
from torch import Tensor, nn

from srlab.mistakes import Diverged, Mistake
from srlab.training.processes.ranks import gathered, is_first

if TYPE_CHECKING:
    from lightning.pytorch.core.optimizer import LightningOptimizer

log = logging.getLogger(__name__)

Policy = Literal["raise", "skip"]
Positions = Callable[[int], Sequence[int]]
"""A function from a step to the positions of this rank's samples in the training data."""


class Guard(nn.Module):
    """Skips updates whose losses or gradients are not finite, and reports them.

    An update is judged and undone on the device, so no step waits for the device. The host asks at
    the next `report`. With the policy ``raise`` it then stops, and names the terms, the step and
    the samples. With ``skip`` it warns and continues, unless more than `max_skips` updates in a row
    were skipped. A skipped update counts as a step.
    """

    skipped: Tensor
    in_row: Tensor

    def __init__(self, *, on_nonfinite: Policy, max_skips: int) -> None:
        super().__init__()
        if on_nonfinite not in get_args(Policy):
            raise Mistake(
                f"on_nonfinite is {on_nonfinite!r}; choose one of {', '.join(get_args(Policy))}."
            )
        if max_skips < 0:
            raise Mistake(f"max_skips is {max_skips}; give a number of updates in a row >= 0.")
        self.most_in_row = 0
        if on_nonfinite == "skip":
            self.most_in_row = max_skips
        self.register_buffer("skipped", torch.zeros((), dtype=torch.long))
        self.register_buffer("in_row", torch.zeros((), dtype=torch.long))
        # By the names of an update's losses, which differ between updates.
        self._incidents: dict[tuple[str, ...], _Incident] = {}

    def remember(self, networks: Iterable[nn.Module]) -> None:
        """Copy the buffers that a bad forward pass would damage, such as those of batch norm."""
        self._statistics = []
        for network in networks:
            self._statistics += [(buffer, buffer.clone()) for buffer in network.buffers()]

    @torch.no_grad()
    def judge(
        self,
        step: int,
        values: Mapping[str, Tensor],
        finite_samples: Tensor,
        overflowed: Tensor | None = None,
    ) -> Tensor:
        """Return whether all `values` are finite, on the device, and restore the buffers if not.

        The `values` are averages over all ranks. `finite_samples` ``(B,)`` says whether the SR of
        each sample of this rank is finite. An update that `overflowed` because of the loss scale of
        float16 is skipped as well, but not reported.
        """
        each = torch.stack([value.isfinite() for value in values.values()])
        finite = each.all()
        good = finite
        if overflowed is not None:
            good = finite | overflowed
        self.skipped += ~good
        self.in_row.copy_((self.in_row + 1) * ~good)
        incident = self._incidents.setdefault((*values,), _Incident(each, finite_samples))
        incident.note(step, good, each, finite_samples, self.in_row)
        if finite.device.type != "cpu" or not finite:  # on a CPU, reading the value costs nothing
            for buffer, before in self._statistics:
                buffer.copy_(torch.where(finite, buffer, before))
        return finite

    def step(self, optimiser: LightningOptimizer, finite: Tensor) -> None:
        """Update the parameters if `finite`; otherwise keep them and the optimiser's state."""
        if finite.device.type != "cpu":
            step_masked(optimiser, finite)
            return
        if not finite:  # an optimiser skips parameters without a gradient
            optimiser.zero_grad(set_to_none=True)
        _update(optimiser)

    def report(self, positions: Positions | None = None) -> None:
        """Raise or warn if an update was skipped since the last report; waits for the device."""
        incidents, self._incidents = self._incidents, {}
        descriptions = {
            incident.step: incident.described(names, positions)
            for names, incident in incidents.items()
            if incident.step >= 0
        }
        if not descriptions:
            return
        first = descriptions[min(descriptions)]
        if max(incident.longest for incident in incidents.values()) > self.most_in_row:
            if self.most_in_row:
                first += f" and {self.most_in_row} in a row are allowed"
            raise Diverged(
                f"{first}. No weights were changed by it; try a lower learning rate, gradient "
                "clipping or precision 32-true, or look at these samples."
            )
        if is_first():
            log.warning("%s; %d updates were left out so far.", first, int(self.skipped))


class _Incident:
    """The first update skipped since the last report, and the longest row of such updates.

    Both are kept on the device.
    """

    def __init__(self, values: Tensor, samples: Tensor) -> None:
        self._step = torch.full((), -1, device=values.device)
        self._values = torch.ones_like(values)
        self._samples = torch.ones_like(samples)
        self._longest = torch.zeros_like(self._step)

    def note(
        self, step: int, good: Tensor, values: Tensor, samples: Tensor, in_row: Tensor
    ) -> None:
        first = ~good & (self._step < 0)
        self._step = torch.where(first, step, self._step)
        self._values = torch.where(first, values, self._values)
        self._samples = torch.where(first, samples, self._samples)
        self._longest = torch.maximum(self._longest, in_row)

    @property
    def step(self) -> int:
        """The step of the first update left out, or -1: here the host waits for the device."""
        return int(self._step)

    @property
    def longest(self) -> int:
        return int(self._longest)

    def described(self, names: Sequence[str], positions: Positions | None) -> str:
        """Return which values were not finite, after which step, and in which samples."""
        flags = zip(names, self._values.tolist(), strict=True)
        bad = ", ".join(name for name, finite in flags if not finite)
        text = f"after {self.step} updates {bad} was not finite"
        if positions is None:
            return text
        ours = positions(self.step)
        bad_here = [str(ours[number]) for number in (~self._samples).nonzero().flatten().tolist()]
        ranks = gathered((ours[0], ours[-1], bad_here))
        samples = [*chain.from_iterable(theirs for _, _, theirs in ranks)]
        if samples:
            return f"{text}, and neither was the SR of training samples {', '.join(samples)}"
        return f"{text}, with training samples {ranks[0][0]} to {ranks[-1][1]}"


@torch.no_grad()
def step_masked(optimiser: LightningOptimizer, finite: Tensor) -> None:
    """Step, and undo the step unless `finite`; the host does not wait for the device.

    Only tensors on the device are restored. The step count of an optimiser that is not fused is on
    the host, and still counts.
    """
    before = {id(tensor): tensor.clone() for tensor in _changing(optimiser, finite.device)}
    _update(optimiser)
    for tensor in _changing(optimiser, finite.device):
        # State that this step has created starts at zero.
        kept = before.get(id(tensor), torch.zeros_like(tensor))
        tensor.copy_(torch.where(finite, tensor, kept))


def _update(optimiser: LightningOptimizer) -> None:
    """Step, and let Lightning count the step.

    Lightning's own step would divide float16 gradients by their scale a second time.
    """
    optimiser._on_before_step()
    optimiser.optimizer.step()
    optimiser._on_after_step()


def _changing(optimiser: LightningOptimizer, device: torch.device) -> list[Tensor]:
    """The parameters and the state of an optimiser on a device."""
    values: list[object] = []
    for group in optimiser.param_groups:
        for parameter in group["params"]:
            values += [parameter, *optimiser.state.get(parameter, {}).values()]
    return [value for value in values if isinstance(value, Tensor) and value.device == device]
