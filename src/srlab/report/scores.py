"""A model against bicubic interpolation, in numbers and in a picture."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from srlab.data import Source
from srlab.data.source import (
    OfThickSlices,
    PairsOfFiles,
    Sample,
    SizedPairDataset,
    axes_of_hr,
    has_scenes_of_hr,
)
from srlab.data.usable import LeftOut
from srlab.degradations import Degradation
from srlab.io.array import ArrayReader, ArrayWriter
from srlab.metrics import Metric, ScoringContext, means, remarks, scores, unit_of
from srlab.mistakes import Mistake
from srlab.models.super_resolver import SuperResolver
from srlab.nn.edges import Edges
from srlab.nn.masks import repeated
from srlab.nn.resample import enlarge
from srlab.prediction import plan_tiles, super_resolve
from srlab.prediction.across import file_scale
from srlab.progress import tracked
from srlab.report.pictures import below, busiest, comparison, panels

NARROWEST = 240
"""The least width of a picture: the pixels of smaller ones are repeated."""

Scores = dict[str, float]
"""The value of each metric for one image, by name."""


@dataclass(frozen=True)
class Comparison:
    """Scores of each test image by each method, and pictures of one."""

    metrics: Mapping[str, Metric]

    scores: dict[str, list[Scores]] = field(default_factory=dict)
    """By method: ``model``, and ``bicubic`` where the input has the channels of the output."""

    pictures: dict[str, Tensor] = field(default_factory=dict)
    """``(3, H, W)`` in 0–1, by caption."""

    detail: list[int] = field(default_factory=list)
    """The part of the pictures that is shown magnified: top, left, height, width."""

    places: list[int] = field(default_factory=list)
    """The positions of these images among all test images."""

    left_out: list[str] = field(default_factory=list)
    """The images that could not be scored."""

    def add(self, place: int, found: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Keep the scores of an image by each method."""
        self.places.append(place)
        for name, values in found.items():
            self.scores.setdefault(name, []).append(
                {key: float(value) for key, value in values.items()}
            )

    def draw(self, images: Mapping[str, Tensor], hr: Tensor, context: ScoringContext) -> None:
        """Draw the image scored last, ``(1, C, *S)`` by each method, above HR in its planes."""
        self.pictures.clear()
        shown = {_caption(each, self.scores[each][-1]): image for each, image in images.items()}
        shown["HR"] = hr
        for caption, image in shown.items():
            drawn = panels(image[0], like=hr[0], view="slices", axes=context.axes)
            picture = below(drawn)
            times = -(-NARROWEST // picture.shape[2])
            self.pictures[caption] = repeated(picture[None], (times, times))[0]
        self.detail[:] = [times * pixels for pixels in _detail(drawn, context.scale)]

    def means(self, method: str) -> Scores:
        """Return each score of all images together (`srlab.metrics.means`)."""
        found = means(self.metrics, self._tables())[method]
        return {name: float(value) for name, value in found.items()}

    def _tables(self) -> dict[str, dict[str, Tensor]]:
        """The values of all images, for each method and score."""
        tables = {}
        for method, images in self.scores.items():
            found: dict[str, list[float]] = {}
            for image in images:
                for name, value in image.items():
                    found.setdefault(name, []).append(value)
            tables[method] = {name: torch.tensor(values) for name, values in found.items()}
        return tables

    def table(self) -> str:
        """Return the mean scores as text."""
        names = self.means("model")
        found = [self.means(method) for method in self.scores]
        width = max(len(name) for name in names)
        lines = [f"{'':{width}}" + "".join(f"  {method:>10}" for method in self.scores)]
        for name in names:
            values_of_all = "".join(f"  {each[name]:10.4f}" for each in found)
            lines.append(f"{name:{width}}{values_of_all}  {unit_of(name, self.metrics)}".rstrip())
        lines.append(f"means over {len(self.scores['model'])} image(s)")
        if self.left_out:
            lines.append(f"left out: {', '.join(self.left_out)}")
        said: dict[str, list[str]] = {}
        for method, values in self._tables().items():
            for line in remarks(self.metrics, values):
                said.setdefault(line, []).append(method)
        lines += [f"{' and '.join(methods)}, {line}" for line, methods in said.items()]
        return "\n".join(lines)


def compare(
    model: SuperResolver,
    data: Source,
    *,
    pairs: SizedPairDataset | None = None,
    metrics: Mapping[str, Metric],
    degradation: Degradation,
    tile: int | str | Sequence[int],
    overlap: int | str | Sequence[int],
    edges: Edges | Literal["auto"] = "auto",
    device: str | torch.device,
    progress: bool = False,
) -> Comparison:
    """Score all test pairs of `data`, or the given `pairs`, in physical units.

    Images that cannot be scored are left out with a warning, unless they are too many
    (`srlab.data.usable.SHARE`).
    """
    result = Comparison(metrics)
    if isinstance(data, OfThickSlices):  # their pairs are planes
        model = model.of_planes()
    pairs = data.test if pairs is None else pairs
    positions = range(len(pairs))
    several = progress and len(pairs) > 1
    pictured = _pictured(pairs)
    left_out = LeftOut(len(positions), what="test images")
    for position in tracked(positions, unit="image", title="evaluating", shown=several):
        try:
            sample = pairs[position]
            hr, context = sample["hr"][None], _context(model, data, sample, degradation, position)
            images = {}
            if context.lr.shape[1] == hr.shape[1]:
                images["bicubic"] = enlarge(context.lr, context.scale)
            images["model"] = _predicted(
                model, sample, tile=tile, overlap=overlap, edges=edges, device=device,
                progress=progress and not several,
            )  # fmt: skip
            found = {each: scores(metrics, images[each], hr, context) for each in images}
        except Mistake as error:
            left_out.add(_named(pairs, position), error)
            continue
        result.add(position, found)
        if position == pictured or not result.pictures:
            result.draw(images, hr, context)
    result.left_out.extend(left_out.names)
    return result


def _pictured(pairs: SizedPairDataset) -> int:
    """Return the position of the middle image of the first file: a volume's first slice is air."""
    if not isinstance(pairs, PairsOfFiles):
        return 0
    first = [place for place in range(len(pairs)) if pairs.file(place) == pairs.file(0)]
    return first[len(first) // 2]


def _named(pairs: SizedPairDataset, position: int) -> str:
    name = f"test image {position}"
    if isinstance(pairs, PairsOfFiles):
        return f"{name} ({pairs.file(position)})"
    return name


def _context(
    model: SuperResolver, data: Source, sample: Sample, degradation: Degradation, position: int
) -> ScoringContext:
    """Return the circumstances in which a sample is scored."""
    valid = sample.get("valid")
    scene = sample.get("scene") if has_scenes_of_hr(data) else None
    return ScoringContext(
        lr=_continued(model, sample),
        valid=None if valid is None else valid[None],
        scale=file_scale(model.card, ArrayReader(sample["lr"].numpy()).description),
        data_range=data.data_range,
        channel_names=model.card.output_names,
        axes=axes_of_hr(data),
        degrade=partial(degradation, generator=torch.Generator().manual_seed(position)),
        scene=None if scene is None else scene[None],
    )


def _continued(model: SuperResolver, sample: Sample) -> Tensor:
    """Return the LR channels ``(1, C, *S)`` that SR's correspond to."""
    lr, places = sample["lr"], model.card.continued
    return lr[None] if places is None else lr[None, places]


def _predicted(
    model: SuperResolver,
    sample: Sample,
    *,
    tile: int | str | Sequence[int],
    overlap: int | str | Sequence[int],
    edges: Edges | Literal["auto"] = "auto",
    device: str | torch.device,
    progress: bool,
) -> Tensor:
    """Super-resolve the LR image of a sample as a scene: ``(1, C, *S·scale)``."""
    scene = sample["scene"][None] if "scene" in sample else None
    reader = ArrayReader(sample["lr"].numpy())
    writer = ArrayWriter(len(sample["hr"]), sample["hr"].shape[1:])
    plan = plan_tiles(model, reader, tile=tile, overlap=overlap, edges=edges, scene=scene)
    super_resolve(model, reader, writer, plan=plan, scene=scene, device=device, progress=progress)
    return torch.from_numpy(writer.array)[None]


def _detail(drawn: Sequence[Tensor], scale: Sequence[int]) -> tuple[int, int, int, int]:
    """Return the busiest part of the first plane that is enlarged most.

    Planes stand in a column. Those of a volume are across its axes, in their order.
    """
    place = 0
    if len(drawn) > 1:
        finer = [math.prod(scale) // scale[across] for across in range(len(drawn))]
        place = finer.index(max(finer))
    top, left, height, width = busiest(drawn[place])
    return top + sum(plane.shape[1] for plane in drawn[:place]), left, height, width


def _caption(name: str, values: Scores) -> str:
    """Name a picture with its first score."""
    metric, value = next(iter(values.items()))
    return f"{name}  {value:.2f} dB" if metric == "psnr" else f"{name}  {metric} {value:.4g}"


def write_report(result: Comparison, folder: str | Path) -> list[Path]:
    """Write `scores.csv` and `comparison.png` into a folder, and return their paths."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    table, picture = folder / "scores.csv", folder / "comparison.png"
    names = list(result.means("model"))
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        header = ["image"]
        for method in result.scores:
            header += [f"{name}_{method}" for name in names]
        writer.writerow(header)
        for number, place in enumerate(result.places):
            row: list[float] = []
            for method in result.scores:
                values = result.scores[method][number]
                row += [values.get(name, math.nan) for name in names]
            writer.writerow([place, *row])
    comparison(result.pictures, picture, detail=result.detail)
    return [table, picture]
