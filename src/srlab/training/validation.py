"""Validation: the scores of the model during training."""

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
"""The table of bicubic interpolation, and the suffix of its scores' names."""

JUDGED = "discriminator"
"""The table of the discriminator's accuracies."""


class Validation:
    """Scores a model view by view, in physical units, beside bicubic interpolation.

    A discriminator that has learnt is scored, too. As in training, it sees crops of the size `crop`
    and normalises by the statistics of its batch, which holds the crops of one view.
    ``accuracy_real`` and ``accuracy_fake`` are the shares of its correct logits for HR and for SR.
    They are near 0.5 in an even game, and near 1 if the discriminator wins.

    `axes` are those of HR. `scenes_of_hr` says whether the ``scene`` of a view describes its HR.
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
        """Remarks on the latest means, such as the number of exact views."""
        self._found: dict[int, dict[str, dict[str, Tensor]]] = {}

    def start(self, model: SuperResolver, adversary: Adversary | None) -> None:
        """Begin a new validation; `adversary` is None until its discriminator has learnt."""
        self._model, self._adversary, self._found = model, adversary, {}

    def score(self, batch: Batch, *, number: int) -> Tensor:
        """Score a batch of views of one size, and return its SR.

        `number` is the position of the batch among those of all ranks.
        """
        lr, hr, card = batch["lr"], batch["hr"], self._model.card
        continued = lr if card.continued is None else lr[:, card.continued]
        context = ScoringContext(
            lr=continued,
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
            tables = {"": scores(self.metrics, sr, hr, context)}
            if continued.shape[1] == hr.shape[1]:
                bicubic = enlarge(continued, card.scale)
                tables[INTERPOLATED] = scores(self.metrics, bicubic, hr, context)
        if self._adversary:
            tables[JUDGED] = self._accuracies(self._adversary, sr, batch)
        self._found[number] = tables
        return sr

    def _accuracies(self, adversary: Adversary, sr: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return the discriminator's accuracies; empty if the view has no crop to judge."""
        hr, valid, scene = batch["hr"], batch.get("valid"), batch.get("scene")
        if any(side > own for side, own in zip(self.crop, hr.shape[2:], strict=True)):
            return {}
        normalise = self._model.normaliser.hr
        seen = [without_hidden(normalise(image, scene), valid) for image in (sr, hr)]
        crops = [crops_of(image, self.crop) for image in seen]
        if valid is not None:
            visible = crops_of(valid, self.crop).flatten(1).any(dim=1)
            crops = [image[visible] for image in crops]
        if not len(crops[0]):
            return {}
        if len(crops[0]) == 1:  # batch norm fails if it sees a single value of each channel
            crops = [torch.cat([image, image.flip(-1)]) for image in crops]
        return {name: value[None] for name, value in adversary.accuracies(*crops).items()}

    def names(self) -> set[str]:
        """Return the names of all scores of this rank's views since `start`."""
        names = set()
        for tables in self._found.values():
            for method, table in tables.items():
                suffix = "" if method == JUDGED else method
                names |= {f"val/{name}{suffix}" for name in table}
        return names

    def means(self) -> dict[str, Tensor]:
        """Return each score of all views together (`srlab.metrics.means`), and mean accuracies.

        They are bit-identical for any number of ranks.
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
        """Return the remarks on the scores, each once for all methods to which it applies."""
        suffixes_of: dict[str, list[str]] = defaultdict(list)
        for suffix, table in tables.items():
            for line in remarks(self.metrics, table):
                suffixes_of[line].append(suffix)
        lines = []
        for line, suffixes in suffixes_of.items():
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
        """Return the values of all views on all ranks, for each method and score."""
        ours = {number: _on_host(tables) for number, tables in self._found.items()}
        values: dict[str, dict[str, list[Tensor]]] = defaultdict(lambda: defaultdict(list))
        for tables in by_view(ours).values():
            for method, table in tables.items():
                for name, value in table.items():
                    values[method][name].append(value)
        return {method: _joined(table) for method, table in values.items()}


def _on_host(tables: Mapping[str, Mapping[str, Tensor]]) -> dict[str, dict[str, Tensor]]:
    moved = {}
    for method, table in tables.items():
        moved[method] = {name: value.cpu() for name, value in table.items()}
    return moved


def _joined(table: Mapping[str, Sequence[Tensor]]) -> dict[str, Tensor]:
    return {name: torch.cat([*values]) for name, values in table.items()}


def crops_of(image: Tensor, size: Sequence[int]) -> Tensor:
    """Cut ``(B, C, *S)`` into all crops ``(N, C, *size)`` that fit without overlap."""
    dims = len(size)
    for axis, side in enumerate(size, start=2):
        image = image.unfold(axis, side, side)
    return image.movedim(1, 1 + dims).flatten(0, dims)
