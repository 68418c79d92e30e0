"""Every command of the page on microscopy, in its order, on a small stack."""

import maker_files
import numpy as np
import pytest
from page_commands import SMALL_GENERATOR, commands, run
from scipy.ndimage import gaussian_filter
from tifffile import imwrite


@pytest.fixture
def stack(tmp_path, monkeypatch):
    """The stack that the page's commands name, whose planes lie 3.6 pixels apart."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    blurred = gaussian_filter(random.normal(size=(10, 2, 160, 160)), (1, 0, 2, 2))
    about = {"axes": "ZCYX", "Channel": {"Name": ["w1", "w2"]}}
    for axis, size in {"X": 1.37, "Y": 1.37, "Z": 4.98}.items():
        about |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": "µm"}
    pixels = (200 + 9000 * np.abs(blurred)).astype(np.uint16)
    imwrite("stack.ome.tif", pixels, metadata=about)
    cells = pixels[:2].swapaxes(0, 1)[None]
    maker_files.lif(tmp_path / "cells.lif", cells, names=("Series001", "Series002"))


@pytest.mark.slow
def test_every_command_of_the_page_runs(stack):
    lines = [*commands("microscopy.md")]
    assert len(lines) > 7
    for words in lines:
        small = [*SMALL_GENERATOR, "data.validation_views=1"]
        if "experiment=microscopy_x2" in words:
            small += ["generator.groups=1", "generator.reduction=2"]
        run(words, small)
