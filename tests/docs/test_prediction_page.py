"""Every command of the page on prediction, in its order, on a small scene."""

import shutil

import numpy as np
import pytest
import rasterio
from affine import Affine
from page_commands import commands, run


@pytest.fixture
def scene(tmp_path, monkeypatch, trained):
    """All files that the page's commands name."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained, "RUN")
    pixels = np.random.default_rng(0).integers(1, 255, (3, 70, 100), np.uint8)
    place = {"crs": "EPSG:32632", "transform": Affine(10, 0, 4e5, 0, -10, 51e5)}
    profile = {"width": 100, "height": 70, "count": 3, "dtype": "uint8"}
    with rasterio.open("scene.tif", "w", driver="GTiff", **profile, **place) as file:
        file.write(pixels)
    (tmp_path / "SCENES").mkdir()
    shutil.copy("scene.tif", "SCENES/a.tif")
    return tmp_path


def test_every_command_of_the_page_runs(scene):
    for words in commands("prediction.md"):
        run(words)
    for name in ("scene_x4.tif", "ENLARGED/a.tif", "FROM_A_GLOB/a.tif", "mean.deviation.tif"):
        with rasterio.open(scene / name) as file:
            assert file.shape == (280, 400)
    assert not list(scene.glob("**/*.partial"))
