"""A model against bicubic interpolation, in numbers and in a picture."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from srlab.data import Source
from srlab.inference import plan_tiles, super_resolve
from srlab.io.array import ArrayReader, ArrayWriter
from srlab.metrics import psnr, ssim
from srlab.nn.resample import enlarge
from srlab.report.pictures import comparison, displayable
from srlab.super_resolver import SuperResolver


@dataclass(frozen=True)
class Score:
    """PSNR in dB and SSIM of one image, or their means."""

    psnr: float
    ssim: float


@dataclass(frozen=True)
class Comparison:
    """Scores of each test image, and the first image itself."""

    bicubic: list[Score]
    model: list[Score]
    pictures: dict[str, Tensor]
    """``(3, H, W)`` in 0–1."""

    def table(self) -> str:
        """The mean scores, as text."""
        rows = [("bicubic", _mean(self.bicubic)), ("model", _mean(self.model))]
        gain = rows[1][1].psnr - rows[0][1].psnr
        lines = [f"{'':8}  PSNR (dB)    SSIM", *(f"{name:8}  {s.psnr:9.2f}  {s.ssim:6.4f}" for name, s in rows)]
        return "\n".join([*lines, f"{len(self.model)} image(s); the model is {gain:+.2f} dB from bicubic"])


def _mean(scores: list[Score]) -> Score:
    return Score(*(sum(values) / len(scores) for values in zip(*((s.psnr, s.ssim) for s in scores), strict=True)))


def compare(
    model: SuperResolver, data: Source, *, tile: int | str, overlap: int | str, device: str | torch.device
) -> Comparison:
    """Score all test pairs of `data`, in physical units and over all channels."""
    bicubic: list[Score] = []
    ours: list[Score] = []
    pictures: dict[str, Tensor] = {}
    for position in range(len(data.test)):
        sample = data.test[position]
        lr, hr, valid = sample["lr"], sample["hr"][None], sample.get("valid")
        reader = ArrayReader(lr.numpy())
        writer = ArrayWriter(hr.shape[1], hr.shape[2:])
        plan = plan_tiles(model, reader, tile=tile, overlap=overlap)
        super_resolve(model, reader, writer, plan=plan, device=device)
        images = {"bicubic": enlarge(lr[None], model.card.scale), "model": torch.from_numpy(writer.array)[None]}
        for scores, image in zip((bicubic, ours), images.values(), strict=True):
            shown = None if valid is None else valid[None]
            values = (metric(image, hr, data_range=data.data_range, valid=shown) for metric in (psnr, ssim))
            scores.append(Score(*(float(value) for value in values)))
        if position == 0:
            pictures = {
                f"{name}  {scores[0].psnr:.2f} dB": displayable(images[name][0], like=hr[0])
                for name, scores in (("bicubic", bicubic), ("model", ours))
            } | {"HR": displayable(hr[0], like=hr[0])}
    return Comparison(bicubic, ours, pictures)


def write_report(result: Comparison, folder: str | Path) -> list[Path]:
    """Write `scores.csv` and `comparison.png` into a folder, and return their paths."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    scores, picture = folder / "scores.csv", folder / "comparison.png"
    with scores.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "psnr_bicubic", "ssim_bicubic", "psnr_model", "ssim_model"])
        for number, (b, m) in enumerate(zip(result.bicubic, result.model, strict=True)):
            writer.writerow([number, b.psnr, b.ssim, m.psnr, m.ssim])
    comparison(result.pictures, picture)
    return [scores, picture]
