"""The comparison of a model with bicubic interpolation: a table of scores, and a picture."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from srlab.data import Source
from srlab.data.finding.usable import LeftOut
from srlab.data.sources.source import (
    OfThickSlices,
    PairsOfFiles,
    Sample,
    SizedPairDataset,
    axes_of_hr,
    has_scenes_of_hr,
)
from srlab.degradations import Degradation
from srlab.io.array import ArrayReader, ArrayWriter
from srlab.metrics import Metric, ScoringContext, means, remarks, scores, unit_of
from srlab.mistakes import Mistake
from srlab.models.super_resolver import SuperResolver
from srlab.nn.edges import Edges
from srlab.nn.masks import repeated
from srlab.nn.resample import enlarge
from srlab.prediction import plan_tiles, super_resolve
from srlab.prediction.network.across import file_scale
from srlab.progress import tracked
from srlab.report.pictures import below, busiest, comparison, panels

NARROWEST = 240
"""The smallest width of a picture in pixels; pixels of smaller ones are repeated."""

Scores = dict[str, float]
"""The value of each metric for one image, by name."""


@dataclass(frozen=True)
class Comparison:
    """The scores of each test image by each method, and the pictures of one image."""

    metrics: Mapping[str, Metric]

    scores: dict[str, list[Scores]] = field(default_factory=dict)
    """The scores of all images by method: ``model``, and ``bicubic`` where LR has SR's channels."""

    pictures: dict[str, Tensor] = field(default_factory=dict)
    """``(3, H, W)`` in 0–1, by caption."""

    detail: list[int] = field(default_factory=list)
    """The part of the pictures to magnify: top, left, height and width in pixels."""

    places: list[int] = field(default_factory=list)
    """The positions of these images among all test images."""

    left_out: list[str] = field(default_factory=list)
    """The images that could not be scored."""

    def add(self, place: int, by_method: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Add the scores of an image by each method."""
        self.places.append(place)
        for method, values in by_method.items():
            scores = {name: float(value) for name, value in values.items()}
            self.scores.setdefault(method, []).append(scores)

    def draw(self, images: Mapping[str, Tensor], hr: Tensor, context: ScoringContext) -> None:
        """Draw the latest image ``(1, C, *S)`` by each method, and HR; volumes in three planes."""
        self.pictures.clear()
        captioned = {}
        for method, image in images.items():
            captioned[_caption(method, self.scores[method][-1])] = image
        captioned["HR"] = hr
        for caption, image in captioned.items():
            drawn = panels(image[0], like=hr[0], view="slices", axes=context.axes)
            picture = below(drawn)
            times = -(-NARROWEST // picture.shape[2])
            self.pictures[caption] = repeated(picture[None], (times, times))[0]
        self.detail[:] = [times * pixels for pixels in _detail(drawn, context.scale)]

    def means(self, method: str) -> Scores:
        """Return each score of all images together (`srlab.metrics.means`)."""
        of_method = means(self.metrics, self._tables())[method]
        return {name: float(value) for name, value in of_method.items()}

    def _tables(self) -> dict[str, dict[str, Tensor]]:
        """The values of all images, for each method and score."""
        tables = {}
        for method, images in self.scores.items():
            by_name: dict[str, list[float]] = {}
            for image in images:
                for name, value in image.items():
                    by_name.setdefault(name, []).append(value)
            tables[method] = {name: torch.tensor(values) for name, values in by_name.items()}
        return tables

    def table(self) -> str:
        """Return the mean scores as text, with remarks on exact and missing values."""
        names = self.means("model")
        means_of_methods = [self.means(method) for method in self.scores]
        width = max(len(name) for name in names)
        lines = [f"{'':{width}}" + "".join(f"  {method:>10}" for method in self.scores)]
        for name in names:
            columns = "".join(f"  {scores[name]:10.4f}" for scores in means_of_methods)
            lines.append(f"{name:{width}}{columns}  {unit_of(name, self.metrics)}".rstrip())
        lines.append(f"means over {len(self.scores['model'])} image(s)")
        if self.left_out:
            lines.append(f"left out: {', '.join(self.left_out)}")
        return "\n".join([*lines, *self._remarks()])

    def _remarks(self) -> list[str]:
        """The remarks on the scores, each once for all methods to which it applies."""
        methods_of: dict[str, list[str]] = {}
        for method, values in self._tables().items():
            for line in remarks(self.metrics, values):
                methods_of.setdefault(line, []).append(method)
        return [f"{' and '.join(methods)}, {line}" for line, methods in methods_of.items()]


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

    `tile`, `overlap` and `edges` are those of `srlab.prediction.plan_tiles`. With `progress`, a bar
    counts images, or the pixels of a single one. Images that cannot be scored are left out with a
    warning.

    Raises a `Mistake` if too many images cannot be scored (`srlab.data.finding.usable.SHARE`).
    """
    result = Comparison(metrics)
    if isinstance(data, OfThickSlices):  # its pairs are planes, not volumes
        model = model.of_planes()
    pairs = data.test if pairs is None else pairs
    positions = range(len(pairs))
    several = progress and len(pairs) > 1
    predict = partial(
        _predicted, model, tile=tile, overlap=overlap, edges=edges, device=device,
        progress=progress and not several,
    )  # fmt: skip
    pictured = _pictured(pairs)
    left_out = LeftOut(len(positions), what="test images")
    for position in tracked(positions, unit="image", title="evaluating", shown=several):
        try:
            sample = pairs[position]
            hr = sample["hr"][None]
            context = _context(model, data, sample, degradation, position)
            images = _images(sample, context, predict)
            by_method = {name: scores(metrics, sr, hr, context) for name, sr in images.items()}
        except Mistake as error:
            left_out.add(_named(pairs, position), error)
            continue
        result.add(position, by_method)
        if position == pictured or not result.pictures:
            result.draw(images, hr, context)
    result.left_out.extend(left_out.names)
    return result


def _images(
    sample: Sample, context: ScoringContext, predict: Callable[[Sample], Tensor]
) -> dict[str, Tensor]:
    """Return SR ``(1, C, *S·scale)`` of a sample by each method."""
    images = {}
    if context.lr.shape[1] == len(sample["hr"]):
        images["bicubic"] = enlarge(context.lr, context.scale)
    images["model"] = predict(sample)
    return images


def _pictured(pairs: SizedPairDataset) -> int:
    """Return the position of the middle image of the first file.

    The first slice of a volume often shows nothing but air.
    """
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
    """Return the context in which a sample is scored; `position` seeds a random degradation."""
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
    """Return the LR channels ``(1, C, *S)`` that correspond to those of SR."""
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
    """Return the busiest part of the plane in which the scale is largest: top, left, height, width.

    Planes are drawn below each other. Those of a volume are perpendicular to its axes, in order.
    """
    place = 0
    if len(drawn) > 1:
        finer = [math.prod(scale) // scale[across] for across in range(len(drawn))]
        place = finer.index(max(finer))
    top, left, height, width = busiest(drawn[place])
    return top + sum(plane.shape[1] for plane in drawn[:place]), left, height, width


def _caption(name: str, values: Scores) -> str:
    """Return a caption for a picture: the method and its first score."""
    metric, value = next(iter(values.items()))
    return f"{name}  {value:.2f} dB" if metric == "psnr" else f"{name}  {metric} {value:.4g}"


def write_report(result: Comparison, folder: str | Path) -> list[Path]:
    """Write `scores.csv` and `comparison.png` into a folder, and return their paths."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    table, picture = folder / "scores.csv", folder / "comparison.png"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows(_rows(result))
    comparison(result.pictures, picture, detail=result.detail)
    return [table, picture]


def _rows(result: Comparison) -> Iterator[list[object]]:
    """Yield a header, and the scores of each image by each method."""
    names = list(result.means("model"))
    header: list[object] = ["image"]
    for method in result.scores:
        header += [f"{name}_{method}" for name in names]
    yield header
    for number, place in enumerate(result.places):
        row: list[object] = [place]
        for images in result.scores.values():
            row += [images[number].get(name, math.nan) for name in names]
        yield row
