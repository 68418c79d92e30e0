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

    An update is judged and skipped on the device, so that the host never waits for it. The host
    reads the result at the next `report`, which names the values, the step and the samples. With
    the policy ``raise`` the report ends the run. With ``skip`` it warns, and ends the run only if
    more than `max_skips` updates in a row were skipped. A skipped update counts as a step.

    Raises a `Mistake` for another policy or a negative `max_skips`.
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
        # The keys are the names of an update's values, since not every update has the same ones.
        self._incidents: dict[tuple[str, ...], _Incident] = {}

    def remember_buffers(self, networks: Iterable[nn.Module]) -> None:
        """Copy the networks' buffers, so that `judge` can undo a bad forward pass.

        Batch norm, for example, changes its running averages in each forward pass.
        """
        self._copied_buffers = []
        for network in networks:
            self._copied_buffers += [(buffer, buffer.clone()) for buffer in network.buffers()]

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
        each sample of this rank is finite. If the loss scale of float16 `overflowed`, the update is
        skipped as well. Such an update is neither counted as skipped nor reported.
        """
        finite_values = torch.stack([value.isfinite() for value in values.values()])
        finite = finite_values.all()
        good = finite
        if overflowed is not None:
            good = finite | overflowed
        self.skipped += ~good
        self.in_row.copy_((self.in_row + 1) * ~good)

        new = _Incident(finite_values, finite_samples)
        incident = self._incidents.setdefault(tuple(values), new)
        incident.note(step, good, finite_values, finite_samples, self.in_row)

        # On a CPU, reading `finite` costs nothing. On other devices the host would wait for it.
        if finite.device.type != "cpu" or not finite:
            for buffer, before in self._copied_buffers:
                buffer.copy_(torch.where(finite, buffer, before))
        return finite

    def step(self, optimiser: LightningOptimizer, finite: Tensor) -> None:
        """Update the parameters if `finite`; otherwise keep them and the optimiser's state."""
        if finite.device.type != "cpu":
            step_masked(optimiser, finite)
            return
        if not finite:
            optimiser.zero_grad(set_to_none=True)  # The optimiser skips these parameters.
        _update(optimiser)

    def report(self, positions: Positions | None = None) -> None:
        """Raise a `Diverged` or warn if updates were skipped since the last report.

        The host waits for the device. With `positions`, the message names the samples.
        """
        incidents, self._incidents = self._incidents, {}
        descriptions: dict[int, str] = {}
        for names, incident in incidents.items():
            if incident.step >= 0:
                descriptions[incident.step] = incident.described(names, positions)
        if not descriptions:
            return

        first = descriptions[min(descriptions)]
        longest = max(incident.longest for incident in incidents.values())
        if longest > self.most_in_row:
            if self.most_in_row:
                first += f"; {longest} updates in a row were skipped (max_skips={self.most_in_row})"
            raise Diverged(
                f"{first}. That update changed no weights; try a lower learning rate, gradient "
                "clipping or trainer.precision=32-true, or look at these samples."
            )
        if is_first():
            log.warning("%s; %d updates were skipped so far.", first, int(self.skipped))


class _Incident:
    """The first update that was skipped since the last report, and the longest row of them.

    All tensors stay on the device until a property is read.
    """

    def __init__(self, finite_values: Tensor, finite_samples: Tensor) -> None:
        self._step = torch.full((), -1, device=finite_values.device)
        self._finite_values = torch.ones_like(finite_values)
        self._finite_samples = torch.ones_like(finite_samples)
        self._longest = torch.zeros_like(self._step)

    def note(
        self,
        step: int,
        good: Tensor,
        finite_values: Tensor,
        finite_samples: Tensor,
        in_row: Tensor,
    ) -> None:
        """Note an update, whether it was `good` or not; the host does not wait for the device."""
        first = ~good & (self._step < 0)
        self._step = torch.where(first, step, self._step)
        self._finite_values = torch.where(first, finite_values, self._finite_values)
        self._finite_samples = torch.where(first, finite_samples, self._finite_samples)
        self._longest = torch.maximum(self._longest, in_row)

    @property
    def step(self) -> int:
        """The step of the first skipped update, or -1 without any; the host waits for it."""
        return int(self._step)

    @property
    def longest(self) -> int:
        """The largest number of skipped updates in a row; the host waits for it."""
        return int(self._longest)

    def described(self, names: Sequence[str], positions: Positions | None) -> str:
        """Describe the first skipped update: its step, the bad values and the samples."""
        flags = zip(names, self._finite_values.tolist(), strict=True)
        bad_names = [name for name, finite in flags if not finite]
        text = f"after {self.step} updates {', '.join(bad_names)} was not finite"
        if positions is None:
            return text

        ours = positions(self.step)
        bad_indices = (~self._finite_samples).nonzero().flatten().tolist()
        bad_here = [str(ours[index]) for index in bad_indices]
        ranks = gathered((ours[0], ours[-1], bad_here))
        bad_samples = [*chain.from_iterable(bad for _, _, bad in ranks)]
        if bad_samples:
            return f"{text}, and neither was the SR of training samples {', '.join(bad_samples)}"
        first, last = ranks[0][0], ranks[-1][1]
        return f"{text}, with training samples {first} to {last}"


@torch.no_grad()
def step_masked(optimiser: LightningOptimizer, finite: Tensor) -> None:
    """Step, and undo the step unless `finite`; the host does not wait for the device.

    Only tensors on the device are restored. An optimiser that is not fused has its step count on
    the host, and that count still rises.
    """
    before = {id(tensor): tensor.clone() for tensor in _changing(optimiser, finite.device)}
    _update(optimiser)
    for tensor in _changing(optimiser, finite.device):
        # An optimiser's state that this step has created is set to zero.
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
    """Return those tensors of an optimiser's parameters and state that are on a device."""
    values: list[object] = []
    for group in optimiser.param_groups:
        for parameter in group["params"]:
            values += [parameter, *optimiser.state.get(parameter, {}).values()]
    return [value for value in values if isinstance(value, Tensor) and value.device == device]
