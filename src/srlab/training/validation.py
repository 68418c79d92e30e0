"""Validation: the scores of the model in between."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from srlab.degradations import Degradation
from srlab.io import Axis
from srlab.metrics import Metric, ScoringContext, means, remarks, scores
from srlab.metrics.scoring import exact
from srlab.models.super_resolver import SuperResolver
from srlab.nn.masks import without_hidden
from srlab.nn.resample import enlarge
from srlab.training.adversary import Adversary
from srlab.training.losses import Batch, one_draw
from srlab.training.processes.ranks import by_view, is_first

log = logging.getLogger(__name__)

INTERPOLATED = "_bicubic"
"""The table of bicubic interpolation, which is also the end of its scores' names."""

JUDGED = "discriminator"
"""The table of the discriminator's accuracies, beside those of the methods that made SR."""


class Validation:
    """Scores a model view by view, in physical units, beside bicubic interpolation.

    A discriminator that has learnt is scored, too. As in training it sees crops of the size `crop`
    and normalises by the statistics of its batch, which holds the crops of one view. `axes`
    are those of HR. `scenes_of_hr` says whether the ``scene`` of a view is its HR's.
    ``accuracy_real`` and ``accuracy_fake`` are the shares of its logits that are right, of HR and
    of SR. They are near a half in an even game, and near 1 when the discriminator wins.
    """

    def __init__(
        self,
        *,
        metrics: Mapping[str, Metric],
        degradation: Degradation,
        data_range: float,
        axes: tuple[Axis, ...],
        crop: Sequence[int],
        scenes_of_hr: bool = True,
    ) -> None:
        self.metrics = dict(metrics)
        self.degradation = degradation
        self.data_range = data_range
        self.axes = axes
        self.crop = tuple(crop)
        self.scenes_of_hr = scenes_of_hr
        self.remarks: list[str] = []
        """What one must know to read the last means, such as the number of exact views."""
        self._found: dict[int, dict[str, dict[str, Tensor]]] = {}

    def start(self, model: SuperResolver, adversary: Adversary | None) -> None:
        """Forget the last validation; `adversary` is there if it has learnt already."""
        self._model, self._adversary, self._found = model, adversary, {}

    def score(self, batch: Batch, *, number: int) -> Tensor:
        """Score one batch of equal views and return its SR.

        `number` is that of the batch among those of all ranks.
        """
        lr, hr, card = batch["lr"], batch["hr"], self._model.card
        own = lr if card.continued is None else lr[:, card.continued]
        context = ScoringContext(
            lr=own,
            valid=batch.get("valid"),
            scale=card.scale,
            data_range=self.data_range,
            channel_names=card.output_names,
            axes=self.axes,
            degrade=one_draw(self.degradation, lr.device, seed=number),
            scene=batch.get("scene") if self.scenes_of_hr else None,
        )
        sr: Tensor = self._model(lr, scene=batch.get("scene"))
        with torch.autocast(sr.device.type, enabled=False):
            found = {"": scores(self.metrics, sr, hr, context)}
            if own.shape[1] == hr.shape[1]:
                found[INTERPOLATED] = scores(self.metrics, enlarge(own, card.scale), hr, context)
        if self._adversary:
            found[JUDGED] = self._accuracies(self._adversary, sr, batch)
        self._found[number] = found
        return sr

    def _accuracies(self, adversary: Adversary, sr: Tensor, batch: Batch) -> dict[str, Tensor]:
        """The discriminator's accuracies, if the view has a crop to judge."""
        hr, valid, scene = batch["hr"], batch.get("valid"), batch.get("scene")
        if any(side > own for side, own in zip(self.crop, hr.shape[2:], strict=True)):
            return {}
        normalise = self._model.normaliser.hr
        seen = [without_hidden(normalise(image, scene), valid) for image in (sr, hr)]
        crops = [crops_of(image, self.crop) for image in seen]
        if valid is not None:
            visible = crops_of(valid, self.crop).flatten(1).any(dim=1)
            crops = [each[visible] for each in crops]
        if not len(crops[0]):
            return {}
        if len(crops[0]) == 1:  # batch norm may see a single value of each channel
            crops = [torch.cat([each, each.flip(-1)]) for each in crops]
        return {name: value[None] for name, value in adversary.accuracies(*crops).items()}

    def names(self) -> set[str]:
        """The names of all scores of this rank's views since `start`."""
        names = set()
        for found in self._found.values():
            for method, table in found.items():
                suffix = "" if method == JUDGED else method
                names |= {f"val/{name}{suffix}" for name in table}
        return names

    def means(self) -> dict[str, Tensor]:
        """Each score of all views together (`srlab.metrics.means`), and the mean accuracies.

        They are the same on any number of ranks, bit for bit.
        """
        tables = self._tables()
        judged = tables.pop(JUDGED, {})
        result: dict[str, Tensor] = {}
        for suffix, table in means(self.metrics, tables).items():
            result |= {f"val/{name}{suffix}": value for name, value in table.items()}
        before, self.remarks = self.remarks, self._remarks(tables)
        for line in self.remarks:
            if line not in before and is_first():
                log.info("%s", line)
        return result | {f"val/{name}": values.mean() for name, values in judged.items()}

    def _remarks(self, tables: Mapping[str, Mapping[str, Tensor]]) -> list[str]:
        """Write the remarks on each method's scores, once where they hold for several."""
        said: dict[str, list[str]] = defaultdict(list)
        for suffix, table in tables.items():
            for line in remarks(self.metrics, table):
                said[line].append(suffix)
        lines = []
        for line, suffixes in said.items():
            name, what = line.split(": ", 1)
            names = [f"val/{name}{suffix}" for suffix in suffixes]
            lines.append(f"{' and '.join(names)}: {what}")
        interpolated = tables.get(INTERPOLATED, {})
        if any(exact(values) == len(values) for values in interpolated.values()):
            lines.append(
                "interpolation makes all that is held out exactly: nothing is to be seen there, "
                "such as the air around a head, so validation says nothing of the model; hold "
                "out other parts by split=, as split=file_quarter"
            )
        return lines

    def _tables(self) -> dict[str, dict[str, Tensor]]:
        """The values of all views on all ranks, for each method and score."""
        ours = {number: _on_host(found) for number, found in self._found.items()}
        values: dict[str, dict[str, list[Tensor]]] = defaultdict(lambda: defaultdict(list))
        for found in by_view(ours).values():
            for method, table in found.items():
                for name, value in table.items():
                    values[method][name].append(value)
        return {method: _joined(table) for method, table in values.items()}


def _on_host(found: Mapping[str, Mapping[str, Tensor]]) -> dict[str, dict[str, Tensor]]:
    moved = {}
    for method, table in found.items():
        moved[method] = {name: value.cpu() for name, value in table.items()}
    return moved


def _joined(table: Mapping[str, Sequence[Tensor]]) -> dict[str, Tensor]:
    return {name: torch.cat([*values]) for name, values in table.items()}


def crops_of(image: Tensor, size: Sequence[int]) -> Tensor:
    """Cut ``(B, C, *S)`` into as many crops ``(N, C, *size)`` as fit without an overlap."""
    dims = len(size)
    for axis, side in enumerate(size, start=2):
        image = image.unfold(axis, side, side)
    return image.movedim(1, 1 + dims).flatten(0, dims)
