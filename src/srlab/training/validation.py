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

Tables = dict[str, dict[str, Tensor]]
"""The scores of views by method and score: of the model, of interpolation, and accuracies."""

MODEL = ""
"""The table of the model. Each table of scores has the suffix of its scores' names as its name."""

INTERPOLATED = "_bicubic"
"""The table of bicubic interpolation."""

JUDGED = "discriminator"
"""The table of the discriminator's accuracies."""


class Validation:
    """Scores a model on one view after another, in physical units, and bicubic interpolation too.

    A discriminator that has been trained is scored as well. ``accuracy_real`` and ``accuracy_fake``
    are the shares of its correct logits for HR and for SR. Near 0.5 both networks are equally
    strong; near 1 the discriminator wins. As in training, it sees crops of the size `crop`. Its
    batch norm uses the statistics of a batch, which holds the crops of one view.

    `axes` are the spatial axes of HR. `scenes_of_hr` says whether the statistics ``scene`` of a
    view describe its HR.
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
        self._tables_of_views: dict[int, Tables] = {}

    def start(self, model: SuperResolver, adversary: Adversary | None) -> None:
        """Begin a validation; `adversary` is None until its discriminator has been trained."""
        self._model = model
        self._adversary = adversary
        self._tables_of_views = {}

    def score(self, batch: Batch, *, number: int) -> Tensor:
        """Score a batch of views of one size, and return its SR.

        `number` is the position of the batch among the batches of all ranks.
        """
        lr, hr = batch["lr"], batch["hr"]
        card = self._model.card
        continued = lr
        if card.continued is not None:
            continued = lr[:, card.continued]
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
            tables = {MODEL: scores(self.metrics, sr, hr, context)}
            if continued.shape[1] == hr.shape[1]:
                bicubic = enlarge(continued, card.scale)
                tables[INTERPOLATED] = scores(self.metrics, bicubic, hr, context)
        if self._adversary:
            tables[JUDGED] = self._accuracies(self._adversary, sr, batch)
        self._tables_of_views[number] = tables
        return sr

    def _accuracies(self, adversary: Adversary, sr: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return the discriminator's accuracies; empty if no crop of the view can be judged."""
        hr = batch["hr"]
        valid = batch.get("valid")
        scene = batch.get("scene")
        if any(side > own for side, own in zip(self.crop, hr.shape[2:], strict=True)):
            return {}

        normalise = self._model.normaliser.hr
        visible = [without_hidden(normalise(image, scene), valid) for image in (sr, hr)]
        crops = [crops_of(image, self.crop) for image in visible]
        if valid is not None:
            has_data = crops_of(valid, self.crop).flatten(1).any(dim=1)
            crops = [crops_of_image[has_data] for crops_of_image in crops]

        count = len(crops[0])
        if count == 0:
            return {}
        if count == 1:  # Batch norm fails on a batch with a single value of each channel.
            crops = [torch.cat([crop, crop.flip(-1)]) for crop in crops]
        accuracies = adversary.accuracies(*crops)
        return {name: value[None] for name, value in accuracies.items()}

    def names(self) -> set[str]:
        """Return the names of all scores of this rank's views since `start`."""
        names = set()
        for tables in self._tables_of_views.values():
            for method, table in tables.items():
                suffix = "" if method == JUDGED else method
                names |= {f"val/{name}{suffix}" for name in table}
        return names

    def means(self) -> dict[str, Tensor]:
        """Return each score of all views together (`srlab.metrics.means`), and mean accuracies.

        They have the same bits for any number of ranks. New remarks on the scores are logged.
        """
        tables = self._joined_tables()
        accuracies = tables.pop(JUDGED, {})

        result: dict[str, Tensor] = {}
        for suffix, table in means(self.metrics, tables).items():
            result |= {f"val/{name}{suffix}": value for name, value in table.items()}
        result |= {f"val/{name}": values.mean() for name, values in accuracies.items()}

        earlier = self.remarks
        self.remarks = self._remarks(tables)
        for line in self.remarks:
            if line not in earlier and is_first():
                log.info("%s", line)
        return result

    def _remarks(self, tables: Mapping[str, Mapping[str, Tensor]]) -> list[str]:
        """Return the remarks on the scores; each names all scores to which it applies."""
        suffixes_of: dict[str, list[str]] = defaultdict(list)
        for suffix, table in tables.items():
            for line in remarks(self.metrics, table):
                suffixes_of[line].append(suffix)

        lines = []
        for line, suffixes in suffixes_of.items():
            name, remark = line.split(": ", 1)
            names = [f"val/{name}{suffix}" for suffix in suffixes]
            lines.append(f"{' and '.join(names)}: {remark}")

        interpolated = tables.get(INTERPOLATED, {})
        if any(exact(values) == len(values) for values in interpolated.values()):
            lines.append(
                "bicubic interpolation equals HR in every validation view, so validation says "
                "nothing about the model: these views show nothing, such as the air around a head; "
                "hold out other parts by split=, such as split=file_quarter"
            )
        return lines

    def _joined_tables(self) -> Tables:
        """Return the values of all views on all ranks, for each method and score."""
        ours = {number: _on_host(tables) for number, tables in self._tables_of_views.items()}
        values: dict[str, dict[str, list[Tensor]]] = defaultdict(lambda: defaultdict(list))
        for tables in by_view(ours).values():
            for method, table in tables.items():
                for name, value in table.items():
                    values[method][name].append(value)
        return {method: _joined(table) for method, table in values.items()}


def _on_host(tables: Tables) -> Tables:
    """Return the scores of a view in the host's memory, to be sent to all ranks."""
    moved = {}
    for method, table in tables.items():
        moved[method] = {name: value.cpu() for name, value in table.items()}
    return moved


def _joined(table: Mapping[str, Sequence[Tensor]]) -> dict[str, Tensor]:
    """Join each score's values of single views into one tensor."""
    return {name: torch.cat([*values]) for name, values in table.items()}


def crops_of(image: Tensor, size: Sequence[int]) -> Tensor:
    """Cut ``(B, C, *S)`` into all crops ``(N, C, *size)`` that fit side by side."""
    dims = len(size)
    for axis, side in enumerate(size, start=2):
        image = image.unfold(axis, side, side)
    # Now the axes are: batch, channels, the numbers of crops along each axis, their sizes.
    return image.movedim(1, 1 + dims).flatten(0, dims)
