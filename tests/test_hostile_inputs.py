"""Hostile files as inputs of prediction: an output that reads, or one line and exit code 1."""

import pytest
from conftest import Outcome
from hostile_files import ODD, UNREADABLE
from hostile_stacks import ODD_STACKS, UNREADABLE_STACKS
from hostile_videos import UNREADABLE_VIDEOS

from srlab.generators import Interpolation
from srlab.io import Axis, open_reader
from srlab.models.card import ModelCard
from srlab.models.super_resolver import SuperResolver
from srlab.normalisers import Identity

NAMES = ("truncated.png", "claims.tif", "metadata.zip")
READ = ("nan.tif", "one_pixel.png", "sparse.tif")


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


OUTPUTS = {
    **dict.fromkeys(["cube.nii", "truncated.nii.gz"], "out.nii.gz"),
    "less_planes.ome.tif": "out.ome.tif",
    "chunks.zarr": "out.zarr",
    "sizes.mkv": "out.mp4",
}


@pytest.fixture(scope="module")
def enlarging(tmp_path_factory):
    """Models of one channel and of three, which interpolate planes to twice the resolution."""
    folder = tmp_path_factory.mktemp("enlarging")
    for count, names in ((1, ("1",)), (3, ("R", "G", "B"))):
        recipe = {"in_channels": count, "scale": 2, "spatial_dims": 2, "kind": "cubic"}
        card = ModelCard(
            generator={"_target_": "srlab.generators.Interpolation", **recipe},
            normaliser={"_target_": "srlab.normalisers.Identity"},
            scale=(2, 2),
            bands=tuple(range(1, count + 1)),
            input_names=names,
            output_names=names,
            unit="signal",
            training_range=((0.0, 65_535.0),) * count,
            axes=(Axis("y"), Axis("x")),
            versions={},
        )
        model = SuperResolver(generator=Interpolation(**recipe), normaliser=Identity(), card=card)
        model.save(folder / f"{count}.safetensors")
    return folder


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_hostile_volume_stack_or_video_is_told_in_one_line(command, tmp_path, enlarging, name):
    {**UNREADABLE_STACKS, **ODD_STACKS, **UNREADABLE_VIDEOS}[name](tmp_path / name)
    before = sorted(tmp_path.iterdir())
    model = enlarging / f"{3 if OUTPUTS[name] == 'out.mp4' else 1}.safetensors"
    given = [f"model={model}", f"input={name}", f"output={OUTPUTS[name]}"]
    outcome = command("predict", *given, "force=[dtype,value_range,band_names]")
    assert outcome == Outcome(1, outcome.error)
    assert "\n" not in outcome.error
    assert name in outcome.error or "out.zarr cannot be written" in outcome.error
    assert sorted(tmp_path.iterdir()) == before
