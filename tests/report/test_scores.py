"""The report on a model whose test images are partly exact."""

import pytest
import torch

from srlab.metrics import ERGAS, PSNR
from srlab.report.scores import Comparison

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
    assert "bicubic, ergas: 1 of 3 have no value and are left out" in lines
    assert not any("inf" in line or "nan" in line for line in lines)


def test_means_are_those_of_the_images_where_none_is_exact():
    result = comparison(model=[20.0, 30.0, 40.0], bicubic=[20.0, 30.0, 60.0])
    assert result.means("model") == pytest.approx({"psnr": 30.0, "ergas": 2.0})
    assert "exact" not in result.table()
