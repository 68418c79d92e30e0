"""Whether a third party can tell that a model made an output of an input."""

import shutil

import numpy as np
import pytest
import rasterio
from affine import Affine
from conftest import Outcome
from PIL import Image

GIVEN = ("input=in.tif", "tile=32", "overlap=12")


@pytest.fixture
def made(command, tmp_path, trained):
    """A function that predicts an output of an input."""
    pixels = np.random.default_rng(0).integers(1, 255, (3, 70, 60), np.uint8)
    pixels[:, 20:30, 10:20] = 0
    place = {"crs": "EPSG:32632", "transform": Affine(10, 0, 4e5, 0, -10, 51e5), "nodata": 0}
    with rasterio.open(
        tmp_path / "in.tif", "w", width=60, height=70, count=3, dtype="uint8", **place
    ) as file:
        file.write(pixels)
    shutil.copy(trained / "model.safetensors", tmp_path / "m.safetensors")

    def predict(output, *arguments):
        chosen = [each for each in GIVEN if not any(a.startswith("input=") for a in arguments)]
        given = ("model=m.safetensors", f"output={output}", *chosen, *arguments)
        assert command("predict", *given) == Outcome(0, "")
        return tmp_path / output

    return predict


def verified(command, output, source="in.tif", blocks=4):
    given = (f"input={source}", "model=m.safetensors", f"blocks={blocks}")
    return command("verify", f"output={output}", *given)


@pytest.mark.parametrize(
    ("output", "arguments"),
    [("out.tif", []), ("out.tif", ["layout=cog", "dtype=float32"]), ("out.zarr", [])],
)
def test_an_output_is_accepted(command, made, capsys, output, arguments):
    made(output, *arguments)
    capsys.readouterr()
    assert verified(command, output) == Outcome(0, "")
    assert " blocks computed anew: all " in capsys.readouterr().out


def test_a_changed_pixel_is_refused(command, made):
    path = made("out.tif")
    with rasterio.open(path, "r+") as file:
        pixels = file.read()
        pixels[1, 200, 100] ^= 1
        file.write(pixels)
    outcome = verified(command, "out.tif", blocks=1000)
    assert outcome.code == 1
    assert "out.tif is not what this model makes of this input: 1 of 201600 values" in outcome.error
    assert "first in the block [" in outcome.error


def test_another_place_is_refused(command, made):
    path = made("out.tif")
    with rasterio.open(path, "r+") as file:
        file.transform = file.transform @ Affine.translation(0.5, 0)
    outcome = verified(command, "out.tif")
    assert outcome == Outcome(
        1,
        "error: out.tif has another place than its input gives it: transform (2.5, 0, 400001.25, "
        "0, -2.5, 5100000, 0, 0, 1), not (2.5, 0, 400000, 0, -2.5, 5100000, 0, 0, 1).",
    )


@pytest.mark.parametrize("what", ["model", "input"])
def test_another_model_or_input_is_refused(command, made, tmp_path, what):
    made("out.tif")
    name = {"model": "m.safetensors", "input": "in.tif"}[what]
    if what == "input":
        with rasterio.open(tmp_path / name, "r+") as file:
            file.update_tags(changed="yes")
    else:
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[:-4] + b"\1\2\3\4")
    outcome = verified(command, "out.tif")
    assert outcome.code == 1
    assert f"out.tif was made by another {what}: its note says" in outcome.error


def test_a_file_without_a_note_is_refused(command, made, tmp_path):
    Image.new("RGB", (20, 20)).save(tmp_path / "foreign.png")
    assert verified(command, "foreign.png") == Outcome(
        1,
        "error: foreign.png holds no note of what made it: it is no output of srlab, or its "
        "format has no room for one.",
    )
