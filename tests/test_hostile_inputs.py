"""Hostile files as inputs of prediction: an output that reads, or one line and exit code 1."""

import pytest
from hostile_files import ODD, UNREADABLE

from srlab.io import open_reader

NAMES = ("truncated.png", "circle.vrt", "claims.png", "claims.tif", "metadata.zip")
READ = ("nan.tif", "nodata.tif", "one_pixel.png", "wrong_name.png", "huge.vrt")


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("name", [*NAMES, *READ])
def test_a_hostile_input_is_predicted_or_told_in_one_line(command, tmp_path, trained, name):
    {**UNREADABLE, **ODD}[name](tmp_path / name)
    model = f"model={trained / 'model.safetensors'}"
    force = "force=[dtype,value_range]"
    outcome = command("predict", model, f"input={name}", "output=out.tif", force)
    if outcome.code == 0:
        assert open_reader(tmp_path / "out.tif").description.shape
        return
    assert outcome.code == 1
    assert "\n" not in outcome.error
    assert name in outcome.error or "out.tif cannot be written" in outcome.error
    assert not (tmp_path / "out.tif").exists()
