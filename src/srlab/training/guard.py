"""What happens when a loss or a gradient is not finite."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, get_args

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn

from srlab.mistakes import Diverged, Mistake
from srlab.training.processes.ranks import gathered

log = logging.getLogger(__name__)

Policy = Literal["raise", "skip"]


class Guard(nn.Module):
    """Leaves out updates whose losses or gradients are not finite, and names what was not.

    An update is judged on the device and undone there, so that no step waits for the device; the host asks at the
    next `report`. The policy ``raise`` then stops, with the terms, the step and the samples; ``skip`` warns and goes
    on, unless more than `max_skips` updates in a row were left out. A skipped update counts as a step.
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
        self.most_in_row = max_skips if on_nonfinite == "skip" else 0
        self.register_buffer("skipped", torch.zeros((), dtype=torch.long))
        self.register_buffer("in_row", torch.zeros((), dtype=torch.long))
        self._incidents: dict[
            tuple[str, ...], _Incident
        ] = {}  # not every update has the same losses

    def remember(self, networks: Iterable[nn.Module]) -> None:
        """Keep the buffers, as batch-norm statistics, that the forward pass of a bad update would spoil."""
        self._statistics = [
            (buffer, buffer.clone()) for network in networks for buffer in network.buffers()
        ]

    @torch.no_grad()
    def judge(
        self,
        step: int,
        values: Mapping[str, Tensor],
        finite_samples: Tensor,
        overflowed: Tensor | None = None,
    ) -> Tensor:
        """Whether all `values` are finite, as a boolean on the device; undo the buffers if not.

        The `values` are those of all ranks. `finite_samples` ``(B,)`` says it of the SR of each sample of this rank.
        An update that `overflowed`, for its loss scale in float16, is left out, too, but is nothing to report.
        """
        each = torch.stack([value.isfinite() for value in values.values()])
        finite = each.all()
        good = finite if overflowed is None else finite | overflowed
        self.skipped += ~good
        self.in_row.copy_((self.in_row + 1) * ~good)
        incident = self._incidents.setdefault((*values,), _Incident(each, finite_samples))
        incident.note(step, good, each, finite_samples, self.in_row)
        if finite.device.type != "cpu" or not finite:  # where looking costs nothing
            for buffer, before in self._statistics:
                buffer.copy_(torch.where(finite, buffer, before))
        return finite

    def step(self, optimiser: LightningOptimizer, finite: Tensor) -> None:
        """Update the parameters if `finite`; else leave them and the optimiser's state as they are."""
        if finite.device.type != "cpu":
            step_masked(optimiser, finite)
            return
        if not finite:  # an optimiser passes over parameters without a gradient
            optimiser.zero_grad(set_to_none=True)
        _update(optimiser)

    def report(self, positions: Callable[[int], Sequence[int]] | None = None) -> None:
        """Ask the device; raise or warn if an update was left out since the last time.

        `positions` are those of this rank's samples in the training data, at a given step.
        """
        incidents, self._incidents = self._incidents, {}
        found = {
            incident.step: incident.described(names, positions)
            for names, incident in incidents.items()
        }
        found.pop(-1, None)
        if not found:
            return
        first = found[min(found)]
        if max(incident.longest for incident in incidents.values()) > self.most_in_row:
            advice = "try a lower learning rate, gradient clipping or precision 32-true, or look at these samples"
            allowed = f" and {self.most_in_row} in a row are allowed" if self.most_in_row else ""
            raise Diverged(f"{first}{allowed}. No weights were changed by it; {advice}.")
        if not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0:
            log.warning("%s; %d updates were left out so far.", first, int(self.skipped))


class _Incident:
    """The first update left out since the last report, and the longest row of them, kept on the device."""

    def __init__(self, values: Tensor, samples: Tensor) -> None:
        self._step = torch.full((), -1, device=values.device)
        self._values = torch.ones_like(values)
        self._samples = torch.ones_like(samples)
        self._longest = torch.zeros_like(self._step)

    def note(
        self, step: int, finite: Tensor, values: Tensor, samples: Tensor, in_row: Tensor
    ) -> None:
        first = ~finite & (self._step < 0)
        self._step = torch.where(first, step, self._step)
        self._values = torch.where(first, values, self._values)
        self._samples = torch.where(first, samples, self._samples)
        self._longest = torch.maximum(self._longest, in_row)

    @property
    def step(self) -> int:
        """Of the first update left out, or -1: here the host waits for the device."""
        return int(self._step)

    @property
    def longest(self) -> int:
        return int(self._longest)

    def described(
        self, names: Sequence[str], positions: Callable[[int], Sequence[int]] | None
    ) -> str:
        """What was not finite, when, and in which samples."""
        bad = [
            name for name, finite in zip(names, self._values.tolist(), strict=True) if not finite
        ]
        text = f"after {self.step} updates {', '.join(bad)} was not finite"
        if positions is None or self.step < 0:
            return text
        where = positions(self.step)
        ours = [
            str(where[number]) for number, finite in enumerate(self._samples.tolist()) if not finite
        ]
        found = gathered((where[0], where[-1], ours))
        samples = [sample for _, _, theirs in found for sample in theirs]
        if samples:
            return f"{text}, and neither was the SR of training samples {', '.join(samples)}"
        return f"{text}, with training samples {found[0][0]} to {found[-1][1]}"


@torch.no_grad()
def step_masked(optimiser: LightningOptimizer, finite: Tensor) -> None:
    """Step, and put everything on the device back to what it was unless `finite`; the host does not wait.

    State that an optimiser keeps on the host, as the step count of one that is not fused, counts on.
    """
    before = {id(tensor): tensor.clone() for tensor in _changing(optimiser, finite.device)}
    _update(optimiser)
    for tensor in _changing(optimiser, finite.device):
        kept = before.get(id(tensor))  # none for state made by this very step, which begins at zero
        tensor.copy_(
            torch.where(finite, tensor, torch.zeros_like(tensor) if kept is None else kept)
        )


def _update(optimiser: LightningOptimizer) -> None:
    """Step and be counted; Lightning's own step would divide float16 gradients by their scale once more."""
    optimiser._on_before_step()
    optimiser.optimizer.step()
    optimiser._on_after_step()


def _changing(optimiser: LightningOptimizer, device: torch.device) -> list[Tensor]:
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    states = [
        value for parameter in parameters for value in optimiser.state.get(parameter, {}).values()
    ]
    return [
        tensor
        for tensor in (*parameters, *states)
        if isinstance(tensor, Tensor) and tensor.device == device
    ]
