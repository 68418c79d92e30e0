"""Outputs of every format with a note of what made them, verified; and changed ones, refused."""

import av
import nibabel
import numpy as np
import pytest
import rasterio
from affine import Affine
from clips import clip, moving
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from prediction_examples import noisy

from srlab.mistakes import Mistake
from srlab.prediction import Request, super_resolve_file
from srlab.prediction.verification import Verdict, verify

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

RANDOM = np.random.default_rng(0)


def picture(path, bands=3):
    Image.fromarray(RANDOM.integers(0, 255, (36, 40, bands), np.uint8)).save(path)


def cut_out(path):
    pixels = RANDOM.integers(0, 255, (36, 40, 4), np.uint8)
    pixels[..., 3] = np.add.outer(np.arange(36), np.arange(40)) // 2
    Image.fromarray(pixels).save(path)


def raster(path):
    pixels = RANDOM.integers(1, 255, (3, 36, 40), np.uint8)
    pixels[:, 20:24, 10:14] = 0
    place = {"crs": "EPSG:32632", "transform": Affine(10, 0, 4e5, 0, -10, 51e5), "nodata": 0}
    with rasterio.open(path, "w", width=40, height=36, count=3, dtype="uint8", **place) as file:
        file.write(pixels)


def film(path, frames=36):
    clip(path, "ffv1", frames=moving(frames, 24, 32), format="bgr0")


def volume(path):
    values = RANDOM.integers(0, 200, (20, 30, 40), np.uint8)
    nibabel.save(nibabel.Nifti1Image(values, np.diag([1, 2, 3, 1])), path)


CASES = {
    "a.jpg": ("in.png", picture, {}),
    "a.webp": ("in.png", picture, {}),
    "a.png": ("in.png", cut_out, {}),
    "b.jpg": ("in.tif", raster, {}),
    "a.cyx.npz": ("in.tif", raster, {}),
    "a.yxc.zarr": ("in.tif", raster, {}),
    "a.npz": ("in.nii", volume, {"bands": [1], "dtype": "float32"}),
    "a.mp4": ("in.mkv", film, {}),
    "b.mp4": ("in.mkv", film, {"options": {"codec": "h265"}}),
    "a.frames": ("in.mkv", film, {}),
    "a.tif": ("in.tif", raster, {"tta": True}),
}


def predicted(models, source, output, **settings):
    given = {"tile": 20, "overlap": 2, "join": "crop", "force": ["pixel_size", "value_range"]}
    super_resolve_file(models, source, output, request=Request(**given | settings))
    return output


def made(folder, name):
    source, make, settings = CASES[name]
    make(folder / source)
    models = noisy(folder / "m.safetensors", channels=len(settings.get("bands", "rgb")))
    return models, predicted(models, folder / source, folder / name, **settings), folder / source


@pytest.mark.parametrize("name", CASES)
def test_an_output_is_what_the_model_makes(tmp_path, name):
    models, output, source = made(tmp_path, name)
    verdict = verify(models, output, source, blocks=6)
    assert (verdict.differing, verdict.lossy) == (0, output.suffix in (".jpg", ".mp4"))
    assert verdict.values > 0


@pytest.mark.parametrize("part", ["deviation", "measured", "inferred"])
def test_what_lies_beside_an_output_is_verified_by_its_own_note(tmp_path, part):
    film(tmp_path / "in.mkv", frames=2)
    models = noisy(tmp_path / "m.safetensors")
    settings = {"deviation": {"tta": True}}.get(part, {"project": True, "parts": True, "tile": 40})
    predicted(models, tmp_path / "in.mkv", tmp_path / "a.mkv", **settings)
    beside = tmp_path / f"a.{part}.ome.tif"
    assert verify(models, beside, tmp_path / "in.mkv").differing == 0


def test_a_changed_pixel_is_refused_in_a_format_that_changes_values(tmp_path):
    models, output, source = made(tmp_path, "a.jpg")
    with Image.open(output) as image:
        exif, pixels = image.getexif(), np.array(image)
    pixels[30, 30] = 255 - pixels[30, 30]
    Image.fromarray(pixels).save(output, exif=exif, quality=95, subsampling=2)
    with pytest.raises(Mistake, match=r"a.jpg is not what this model makes of this input: "):
        verify(models, output, source)


def test_transparency_that_was_changed_is_refused(tmp_path):
    models, output, source = made(tmp_path, "a.png")
    with Image.open(output) as image:
        texts, pixels = image.text, np.array(image)
    pixels[60, 70, 3] ^= 1
    note = PngInfo()
    for name, text in texts.items():
        note.add_text(name, text)
    Image.fromarray(pixels).save(output, pnginfo=note)
    with pytest.raises(Mistake, match=r"1 of 23040 values differ, by 1 at most"):
        verify(models, output, source, blocks=1000)


def test_frames_of_another_model_are_refused_under_the_note_of_this_one(tmp_path):
    models, output, source = made(tmp_path, "a.mp4")
    other = predicted(noisy(tmp_path / "o.safetensors", seed=1), source, tmp_path / "other.mp4")
    with av.open(str(output)) as noted, av.open(str(other)) as frames:
        forged = tmp_path / "forged.mp4"
        with av.open(str(forged), "w") as container:
            container.metadata["comment"] = noted.metadata["comment"]
            stream = container.add_stream_from_template(frames.streams.video[0])
            for packet in frames.demux(video=0):
                if packet.size:
                    packet.stream = stream
                    container.mux(packet)
    with pytest.raises(Mistake, match=r"forged.mp4 is not what this model makes of this input"):
        verify(models, forged, source)


def found(**changes):
    values = {"blocks": 1, "of_blocks": 1, "values": 100, "differing": 0, "largest": 0.0}
    return Verdict(**values | changes)


def test_another_machine_may_round_and_encode_otherwise():
    elsewhere = {"elsewhere": ("cpu AVX2",)}
    rounded = {"differing": 4, "largest": 1.0}
    assert not found(**rounded).stands
    assert found(**rounded, **elsewhere).stands
    assert not found(**rounded | {"largest": 2.0}, **elsewhere).stands
    # Two encodings, each with independent noise around one picture.
    one, other = np.random.default_rng(0).normal(0, 0.01, (2, 10_000))
    encoded = {"differing": 99, "largest": 9.0, "lossy": True, "loss": float(np.mean(one**2))}
    apart = float(np.mean((one - other) ** 2))
    assert found(**encoded, **elsewhere, apart=0.9 * apart).stands
    assert not found(**encoded, apart=0.9 * apart).stands
    assert not found(**encoded, **elsewhere, apart=1.2 * apart).stands
