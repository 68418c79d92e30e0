"""GDAL's own words about a damaged file do not reach the console of a command."""

import pytest
from PIL import Image


@pytest.fixture
def damaged(tmp_path):
    Image.effect_noise((64, 64), 50).convert("RGB").save(tmp_path / "truncated.png")
    content = (tmp_path / "truncated.png").read_bytes()
    (tmp_path / "truncated.png").write_bytes(content[: len(content) // 2])
    (tmp_path / "zeros.tif").write_bytes(bytes(1000))


@pytest.mark.parametrize("name", ["truncated.png", "zeros.tif"])
def test_damaged_file_is_told_in_one_line(command, damaged, trained, capfd, name):
    model = f"model={trained / 'model.safetensors'}"
    outcome = command("predict", model, f"input={name}", "output=out.png")
    assert outcome.code == 1
    assert name in outcome.error
    told = "".join(capfd.readouterr())
    assert "GDAL signalled" not in told
    assert "error" not in told.lower()
