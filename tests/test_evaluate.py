import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import rasterio
from conftest import Outcome
from PIL import Image
from skimage.data import astronaut
from skimage.metrics import peak_signal_noise_ratio

import srlab
from srlab.degradations import Bicubic


def bicubic_psnr(pixels):
    """PSNR of Pillow's bicubic enlargement of LR, which equals ours but at the borders."""
    import torch

    hr = torch.from_numpy(np.moveaxis(pixels, -1, 0).astype(np.float32))[None]
    lr = Bicubic(scale=4, integers=[0, 255])(hr)[0].numpy()
    size = pixels.shape[1::-1]
    sr = np.stack(
        [np.asarray(Image.fromarray(band).resize(size, Image.Resampling.BICUBIC)) for band in lr],
        axis=-1,
    )
    return peak_signal_noise_ratio(pixels.astype(float), sr.astype(float), data_range=255)


def test_scores_and_picture_are_written(command, tmp_path, trained):
    """The run was too short to learn: it scores like bicubic, as no wrong scale would."""
    given = (f"model={trained}/model.safetensors", "data=demo", "output=scores")
    assert command("evaluate", *given) == Outcome(0, "")
    with (tmp_path / "scores" / "scores.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert float(row["psnr_bicubic"]) == pytest.approx(bicubic_psnr(astronaut()), abs=0.05)
    assert float(row["psnr_model"]) == pytest.approx(float(row["psnr_bicubic"]), abs=3)
    picture = Image.open(tmp_path / "scores" / "comparison.png")
    assert picture.width == 3 * 512 + 2 * 8
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scores"]


def test_bands_that_do_not_fit_are_refused(command, trained):
    outcome = command(
        "evaluate", f"model={trained}/model.safetensors", "data=demo", "data.bands=[1]"
    )
    assert outcome.code == 1
    assert "data.bands names 1 bands and the model takes 3" in outcome.error


def scored(command, tmp_path, *given):
    assert command("evaluate", *given, "data=demo", "output=scores") == Outcome(0, "")
    with (tmp_path / "scores" / "scores.csv").open() as file:
        (row,) = csv.DictReader(file)
    return float(row["psnr_bicubic"])


def test_lr_is_made_as_the_card_says_unless_another_way_is_chosen(command, tmp_path, trained):
    """A degradation that clips at 64 of 255 leaves little; the card's own is not the default's."""
    model = srlab.load(trained / "model.safetensors")
    dark = {"_target_": "srlab.degradations.Bicubic", "scale": 4, "integers": [0, 64]}
    model.card = replace(model.card, degradation=dark)
    model.save(tmp_path / "dark.safetensors")
    force = ("model=dark.safetensors", "metric=[psnr]")
    assert scored(command, tmp_path, *force) < 12
    chosen = scored(command, tmp_path, *force, "degradation=bicubic_uint8")
    assert chosen == pytest.approx(bicubic_psnr(astronaut()), abs=0.05)


def test_the_edges_that_are_asked_for_are_scored(command, tmp_path, trained):
    """Bicubic interpolation has no part in it, and a network that sees no rim scores otherwise."""
    Image.fromarray(astronaut()[:40, :44]).save(tmp_path / "small.png")
    found = []
    for edges in ("replicate", "zeros"):
        given = [f"model={trained}/model.safetensors", "data=rgb_folder", "data.root=small.png"]
        given += ["metric=[psnr]", "output=scores", f"edges={edges}"]
        assert command("evaluate", *given) == Outcome(0, "")
        with (tmp_path / "scores" / "scores.csv").open() as file:
            (row,) = csv.DictReader(file)
        found.append(row)
    assert found[0]["psnr_bicubic"] == found[1]["psnr_bicubic"]
    assert found[0]["psnr_model"] != found[1]["psnr_model"]


def test_files_of_another_kind_than_the_models_are_refused(command, tmp_path, trained):
    pixels = np.random.default_rng(0).integers(0, 65_000, (3, 40, 40)).astype(np.uint16)
    with rasterio.open("deep.tif", "w", "GTiff", 40, 40, 3, dtype="uint16") as file:
        file.write(pixels)
    given = [f"model={trained}/model.safetensors", "data=rgb_folder", "data.root=deep.tif"]
    error = command("evaluate", *given).error
    assert "deep.tif reach 64944 and the model was trained on values up to" in error
    assert "force=[value_range]" in error
    assert command("evaluate", *given, "force=[value_range]") == Outcome(0, "")


def test_pictures_smaller_than_a_training_crop_are_scored(command, tmp_path, trained):
    Image.fromarray(astronaut()[:40, :44]).save(tmp_path / "small.png")
    given = [f"model={trained}/model.safetensors", "data=rgb_folder", "data.root=small.png"]
    assert command("evaluate", *given, "data.crop_size=97") == Outcome(0, "")


def test_images_that_cannot_be_scored_are_named_and_counted(command, tmp_path, trained, capsys):
    """A grey picture, one without pixels and one that is too small for SSIM's window."""
    (tmp_path / "all").mkdir()
    for number in range(60):
        Image.fromarray(astronaut()[number : number + 24, :24]).save(f"all/{number:02}.png")
    Image.fromarray(astronaut()[:24, :24, 0]).save("all/grey.png")
    Image.fromarray(astronaut()[:8, :24]).save("all/low.png")
    whole = (tmp_path / "all" / "00.png").read_bytes()
    (tmp_path / "all" / "half.png").write_bytes(whole[: len(whole) // 2])
    given = [f"model={trained}/model.safetensors", "data=rgb_folder", "data.root=all"]
    assert command("evaluate", *given, "output=scores") == Outcome(0, "")
    told = capsys.readouterr().out
    assert "1 of 63 files are grey and repeated as colours, such as" in told
    assert "means over 61 image(s)" in told
    low = "all/low.png) is left out, 2 of 63 test images: metric.ssim: SSIM looks through windows"
    assert low in told
    assert "all/half.png cannot be read" in told
    with (tmp_path / "scores" / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["image"]) for row in rows] == [*range(61)]


def test_lr_files_score_as_lr_that_is_made_on_the_way(command, tmp_path, trained):
    import torch

    hr = astronaut()[:96, :104]
    image = torch.from_numpy(np.moveaxis(hr, -1, 0).astype(np.float32))[None]
    lr = Bicubic(scale=4, integers=[0, 255])(image)[0].numpy().astype(np.uint8)
    for folder, pixels in (("hr", hr), ("lr", np.moveaxis(lr, 0, -1))):
        (tmp_path / folder).mkdir()
        Image.fromarray(pixels).save(tmp_path / folder / "a.png")
    model = f"model={trained}/model.safetensors"
    given = {
        "made": ["data=rgb_folder", "degradation=bicubic_uint8"],
        "read": ["data=paired_folder", "data.lr_root=lr"],
    }
    rows = []
    for name, settings in given.items():
        outcome = command("evaluate", model, *settings, "data.root=hr", f"output={name}")
        assert outcome == Outcome(0, "")
        rows.append((tmp_path / name / "scores.csv").read_text())
    assert rows[0].replace("hr/", "") == rows[1].replace("hr/", "")


def test_what_was_held_out_is_scored_alone(command, tmp_path, trained):
    """By the split of the model's run if its folder has one; any other is refused then."""
    (tmp_path / "all").mkdir()
    for number in range(5):
        Image.fromarray(astronaut()[60 * number :][:64, :64]).save(f"all/{number}.png")
    model = srlab.load(trained / "model.safetensors")
    model.save(tmp_path / "model.safetensors")
    common = ["model=model.safetensors", "data=rgb_folder", "data.root=all", "metric=[psnr]"]

    def images(*given):
        assert command("evaluate", *common, "output=scores", *given) == Outcome(0, "")
        with (tmp_path / "scores" / "scores.csv").open() as file:
            return [float(row["psnr_bicubic"]) for row in csv.DictReader(file)]

    everything = images()
    assert images("part=validation", "split=list", "split.files=[1.png,3.png]") == everything[1::2]
    assert images("part=training", "split=list", "split.files=[1.png,3.png]") == everything[::2]
    files = {"training": [[[0, 64], [0, 64]]], "validation": []}
    held = {"training": [], "validation": [[[0, 64], [0, 64]]]}
    sizes = [(tmp_path / "all" / f"{number}.png").stat().st_size for number in range(5)]
    record = {
        f"{tmp_path}/all/{number}.png": {"bytes": size, **(held if number == 4 else files)}
        for number, size in enumerate(sizes)
    }
    (tmp_path / "split.json").write_text(json.dumps(record))
    assert images("part=validation") == everything[4:]
    error = command("evaluate", *common, "part=validation", "split=file").error
    assert "part=validation by split=file is not what the model's run held out" in error
    error = command("evaluate", common[0], "data=demo", "part=validation").error
    assert "part=validation needs data that split= divides, and DemoPhotographs does not" in error
