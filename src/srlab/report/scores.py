"""A model against bicubic interpolation, in numbers and in a picture."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from srlab.data import Source
from srlab.degradations import Degradation
from srlab.io.array.memory import ArrayReader, ArrayWriter
from srlab.metrics import Metric, View, scores
from srlab.models.super_resolver import SuperResolver
from srlab.nn.resample import enlarge
from srlab.prediction.inference import plan_tiles, super_resolve
from srlab.report.pictures import comparison, displayable

Scores = dict[str, float]
"""The value of each metric for one image, by name."""


@dataclass(frozen=True)
class Comparison:
    """Scores of each test image, and the first image itself."""

    bicubic: list[Scores]
    model: list[Scores]
    pictures: dict[str, Tensor]
    """``(3, H, W)`` in 0–1."""

    def table(self) -> str:
        """The mean scores, as text."""
        bicubic, model = _means(self.bicubic), _means(self.model)
        width = max(len(name) for name in model)
        lines = [f"{'':{width}}  {'bicubic':>10}  {'model':>10}"]
        lines += [f"{name:{width}}  {bicubic[name]:10.4f}  {model[name]:10.4f}" for name in model]
        return "\n".join([*lines, f"means over {len(self.model)} image(s)"])


def _means(images: list[Scores]) -> Scores:
    """Over the images for which each is defined."""
    names = dict.fromkeys(name for scores in images for name in scores)
    return {
        name: float(torch.tensor([s[name] for s in images if name in s]).nanmean())
        for name in names
    }


def compare(
    model: SuperResolver,
    data: Source,
    *,
    metrics: Mapping[str, Metric],
    degradation: Degradation,
    tile: int | str,
    overlap: int | str,
    device: str | torch.device,
) -> Comparison:
    """Score all test pairs of `data`, in physical units."""
    result = Comparison([], [], {})
    for position in range(len(data.test)):
        sample = data.test[position]
        lr, hr, valid = sample["lr"], sample["hr"][None], sample.get("valid")
        reader = ArrayReader(lr.numpy())
        writer = ArrayWriter(hr.shape[1], hr.shape[2:])
        plan = plan_tiles(model, reader, tile=tile, overlap=overlap)
        super_resolve(model, reader, writer, plan=plan, device=device)
        images = {
            "bicubic": enlarge(lr[None], model.card.scale),
            "model": torch.from_numpy(writer.array)[None],
        }
        view = View(
            lr=lr[None],
            valid=None if valid is None else valid[None],
            scale=model.card.scale,
            data_range=data.data_range,
            channels=data.channels,
            pixel_size=data.pixel_size,
            degrade=partial(degradation, generator=torch.Generator().manual_seed(position)),
        )
        for name, kept in (("bicubic", result.bicubic), ("model", result.model)):
            kept.append(
                {
                    key: float(value)
                    for key, value in scores(metrics, images[name], hr, view).items()
                }
            )
            if position == 0:
                result.pictures[_label(name, kept[0])] = displayable(images[name][0], like=hr[0])
        if position == 0:
            result.pictures["HR"] = displayable(hr[0], like=hr[0])
    return result


def _label(name: str, values: Scores) -> str:
    """Name a picture with its first score."""
    metric, value = next(iter(values.items()))
    return f"{name}  {value:.2f} dB" if metric == "psnr" else f"{name}  {metric} {value:.4g}"


def write_report(result: Comparison, folder: str | Path) -> list[Path]:
    """Write `scores.csv` and `comparison.png` into a folder, and return their paths."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    scores, picture = folder / "scores.csv", folder / "comparison.png"
    with scores.open("w", newline="") as file:
        writer = csv.writer(file)
        columns = [(name, who) for who in ("bicubic", "model") for name in _means(result.model)]
        writer.writerow(["image", *(f"{name}_{who}" for name, who in columns)])
        for number, pair in enumerate(zip(result.bicubic, result.model, strict=True)):
            values = dict(zip(("bicubic", "model"), pair, strict=True))
            writer.writerow([number, *(values[who].get(name, math.nan) for name, who in columns)])
    comparison(result.pictures, picture)
    return [scores, picture]
