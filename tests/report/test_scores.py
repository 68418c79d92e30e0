"""The report on a model whose test images are partly exact."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from model_examples import model as small_model

from srlab.io import Axis
from srlab.metrics import ERGAS, PSNR, ScoringContext
from srlab.report.scores import Comparison, compare

METRICS = {"psnr": PSNR(), "ergas": ERGAS()}


def comparison(model, bicubic):
    """Of images with these PSNRs, and an ERGAS that the last one lacks."""
    result = Comparison(METRICS)
    for method, values in {"model": model, "bicubic": bicubic}.items():
        for number, psnr in enumerate(values):
            ergas = torch.nan if number == len(values) - 1 else 2.0
            result.scores.setdefault(method, []).append({"psnr": psnr, "ergas": ergas})
    return result


def test_means_and_table_say_which_images_are_exact_or_have_no_value():
    result = comparison(model=[20.0, 30.0, torch.inf], bicubic=[20.0, 30.0, 60.0])
    # the mean of the squared errors 1e-2, 1e-3 and 0 of the range
    assert result.means("model")["psnr"] == pytest.approx(24.357, abs=1e-3)
    assert result.means("bicubic")["psnr"] == pytest.approx(24.357, abs=1e-3)
    lines = result.table().splitlines()
    assert "model, psnr: 1 of 3 exact" in "\n".join(lines)
    assert "model and bicubic, ergas: 1 of 3 have no value and are left out" in lines
    assert lines[1].endswith("  dB")
    assert not any("inf" in line or "nan" in line for line in lines)


def test_means_are_those_of_the_images_where_none_is_exact():
    result = comparison(model=[20.0, 30.0, 40.0], bicubic=[20.0, 30.0, 60.0])
    assert result.means("model") == pytest.approx({"psnr": 30.0, "ergas": 2.0})
    assert "exact" not in result.table()


def test_model_of_thick_slices_is_scored_on_planes():
    planes = small_model(scale=(3, 1))
    volumes = small_model(scale=(3, 1))
    volumes.card = replace(volumes.card, across="z")
    images = [{"lr": torch.rand(3, 8, 24), "hr": torch.rand(3, 24, 24)}]
    data = SimpleNamespace(test=images, data_range=1.0, axes=planes.card.axes, across="z")
    settings = {"tile": "auto", "overlap": "auto", "device": "cpu", "degradation": torch.clone}
    given = {"metrics": {"psnr": PSNR()}, **settings}
    scores = [compare(each, data, **given).scores["model"] for each in (planes, volumes)]
    assert scores[0] == scores[1]


class Files(list):
    """Images of which each lies in a file."""

    def __init__(self, images, files):
        super().__init__(images)
        self._files = files

    def file(self, position):
        return self._files[position]


def test_pictured_is_the_middle_image_of_the_first_file_in_its_planes():
    """The first slice of a volume is air."""
    model = small_model(scale=(2, 2))
    images = []
    for width in (8, 9, 10, 11, 12):
        images.append({"lr": torch.rand(3, 8, width), "hr": torch.rand(3, 16, 2 * width)})
    pairs = Files(images, ["a", "a", "a", "b", "b"])
    axes = (Axis("y", 2.0, "mm"), Axis("x", 1.0, "mm"))
    data = SimpleNamespace(test=pairs, data_range=1.0, axes=axes)
    settings = {"tile": "auto", "overlap": "auto", "device": "cpu", "degradation": torch.clone}
    result = compare(model, data, metrics={"psnr": PSNR()}, **settings)
    assert result.places == [0, 1, 2, 3, 4]
    # 16 × 18 pixels, twice as high as wide, 14 times as large to be wide enough
    assert result.pictures["HR"].shape == (3, 14 * 32, 14 * 18)
    assert [name.partition("  ")[0] for name in result.pictures] == ["bicubic", "model", "HR"]


def test_detail_lies_in_the_first_plane_that_is_enlarged_most():
    result = Comparison({"psnr": PSNR()}, scores={"model": [{"psnr": 1.0}]})
    hr = torch.rand(1, 1, 12, 20, 24)
    context = ScoringContext(
        lr=hr, valid=None, scale=(3, 1, 1), data_range=1.0, channel_names=(), axes=(), degrade=abs
    )
    result.draw({"model": hr}, hr, context)
    top, left, height, width = result.detail
    assert 20 <= top / 10 < (top + height) / 10 <= 20 + 12
    assert left + width <= 240
