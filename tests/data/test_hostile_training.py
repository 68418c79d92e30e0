"""A hostile file among good ones: it is left out with a warning, or it trains."""

import numpy as np
import pytest
import torch
from clips import clip
from hostile_files import ODD, UNREADABLE
from hostile_stacks import UNREADABLE_STACKS
from hostile_videos import UNREADABLE_VIDEOS
from rasters import save
from small_files import stack, volume
from test_folder import folder, picture

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

SUFFIXES = [".png", ".jpg", ".webp", ".bmp", ".gif", ".tif", ".jp2", ".vrt", ".nc", ".zip"]
FOUND = [
    *("empty.tif", "text.png", "truncated.jpg", "truncated.nc", "missing.vrt", "claims_tile.tif"),
    *("pipe.tif", "pixels.zip", "folder.tif"),
    pytest.param("claims.png", marks=pytest.mark.slow),  # a place with data is looked for in vain
]
"""One of each kind of damage; test_hostile_files reads them all."""

TRAINS = ["nodata.tif", "one_row.png", "endless.vrt"]


def samples(root):
    source = folder(root, suffixes=SUFFIXES, validation_views=4)
    drawn = [source.training[at]["hr"] for at in range(30)]
    held_out = [source.validation[at]["hr"] for at in range(len(source.validation))]
    return torch.cat([image.flatten() for image in (*drawn, *held_out)])


@pytest.fixture
def root(tmp_path):
    (tmp_path / "root").mkdir()
    for name in ("z1.png", "z2.png", "z3.png", "z4.png"):
        picture(tmp_path / "root" / name, 40, 40)
    return tmp_path / "root"


@pytest.mark.parametrize("name", FOUND)
def test_what_cannot_be_read_is_left_out(root, name, caplog):
    UNREADABLE[name](root / name)
    assert torch.isfinite(samples(root)).all()
    if (root / name).is_file():  # a folder is searched
        assert f"{root / name} is left out, 1 of" in caplog.text


@pytest.mark.parametrize("name", TRAINS)
def test_what_is_odd_is_left_out_or_trains(root, name):
    ODD[name](root / name)
    assert torch.isfinite(samples(root)).all()


def test_scenes_without_a_value_are_left_out_or_hidden(root):
    for path in root.iterdir():
        path.unlink()
    ODD["nan.tif"](root / "nan.tif")
    for seed in range(4):
        values = np.random.default_rng(seed).random((1, 50, 50), np.float32)
        save(root / f"z{seed}.tif", values)
    assert torch.isfinite(samples(root)).all()


KINDS = {
    ".nii": (volume, {"weighting": "variance"}),
    ".ome.tif": (stack, {"bands": ["a"]}),
    ".mp4": (clip, {"bands": [1, 2, 3]}),
}
"""Good files among which bad ones are left out, by their ending, and how a source reads them."""

BAD = {**UNREADABLE_STACKS, **UNREADABLE_VIDEOS}


@pytest.mark.parametrize("name", ["cube.nii", "less_planes.ome.tif", "no_frames.mp4"])
def test_volumes_stacks_and_videos_that_cannot_be_read_are_left_out(tmp_path, name, caplog):
    suffix = name[name.index(".") :]
    write, settings = KINDS[suffix]
    for number in range(4):
        write(tmp_path / f"z{number}{suffix}")
    BAD[name](tmp_path / name)
    source = folder(tmp_path, suffixes=[suffix], validation_views=4, **settings)
    assert all(torch.isfinite(source.training[at]["hr"]).all() for at in range(8))
    assert f"{tmp_path / name} is left out, 1 of" in caplog.text
