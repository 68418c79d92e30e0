"""Transparency of inputs, back in the outputs of prediction."""

import numpy as np
import pytest
import rasterio
from PIL import Image
from prediction_examples import Repeat, resolver, rrdb

from srlab.io import Provenance, create_writer, open_reader
from srlab.io.array import ArrayReader, ArrayWriter
from srlab.nn.holes import filled
from srlab.prediction import TileGrid, alpha_of, plan_tiles, super_resolve
from srlab.prediction.output.description import output_description

MADE = Provenance("srlab", "0a" * 32)


def cut_out(shape=(40, 36), opacity=255):
    """A photograph ``(H, W, 4)`` with a transparent frame, and colours of chance under it."""
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 4), dtype=np.uint8)
    pixels[..., 3] = 0
    pixels[9:-7, 5:-4, 3] = opacity
    return pixels


def predicted(model, source, output, *, bands, **settings):
    reader = open_reader(source, bands=bands)
    alpha = alpha_of(source, reader)
    described = output_description(model, reader.description, alpha=alpha)
    writer = create_writer(output, described, provenance=MADE)
    plan = plan_tiles(model, reader, **settings)
    super_resolve(model, reader, writer, plan=plan, alpha=alpha)
    with rasterio.open(output) as file:
        return file.read(), file.colorinterp


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize(("name", "output"), [("a.png", "b.png"), ("a.png", "b.tif")])
@pytest.mark.parametrize("bands", [[1, 2, 3], [2]], ids=len)
def test_a_hard_mask_comes_back_as_it_was(tmp_path, name, output, bands):
    pixels = cut_out()
    Image.fromarray(pixels).save(tmp_path / name)
    model = resolver(Repeat((3, 3), in_channels=len(bands)))
    values, colours = predicted(model, tmp_path / name, tmp_path / output, bands=bands, tile=17)
    assert (len(values), colours[-1].name) == (len(bands) + 1, "alpha")
    enlarged = pixels.repeat(3, axis=0).repeat(3, axis=1).transpose(2, 0, 1)
    there = enlarged[3] > 0
    np.testing.assert_array_equal(values[-1], enlarged[3])
    chosen = enlarged[[band - 1 for band in bands]]
    np.testing.assert_array_equal(values[:-1], np.where(there, chosen, 0))


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_what_is_partly_transparent_is_valid_and_its_opacity_is_interpolated(tmp_path):
    ramp = np.linspace(8, 240, 36 - 9).astype(np.uint8)
    pixels = cut_out(opacity=ramp)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    model = resolver(Repeat((2, 2), in_channels=3))
    values, _ = predicted(model, tmp_path / "a.png", tmp_path / "b.png", bands=[1, 2, 3])
    inside = values[3, 18:-14, 10:-8]
    assert (values[3] > 0).sum() == inside.size
    centres = np.clip(np.arange(2 * 27) / 2 - 0.25, 0, 26)
    expected = np.interp(centres, np.arange(27), ramp)
    np.testing.assert_allclose(inside, np.broadcast_to(expected, inside.shape), atol=0.51)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_the_network_sees_nothing_of_transparent_colours(tmp_path):
    results = []
    model = resolver(rrdb((2, 2), channels=3))
    for seed in (1, 2):
        pixels = cut_out()
        under = pixels[..., 3] == 0
        pixels[under, :3] = np.random.default_rng(seed).integers(0, 256, (under.sum(), 3))
        Image.fromarray(pixels).save(tmp_path / f"{seed}.png")
        source, output = tmp_path / f"{seed}.png", tmp_path / f"{seed}.tif"
        results.append(predicted(model, source, output, bands=[1, 2, 3])[0])
    np.testing.assert_array_equal(*results)
    image = np.where(cut_out()[..., 3] == 0, np.nan, cut_out()[..., :3].transpose(2, 0, 1))
    grid = TileGrid((40, 36), (40, 36), (19, 19), (2, 2))
    writer = ArrayWriter(3, (80, 72))
    super_resolve(model, ArrayReader(filled(image.astype(np.float32))), writer, plan=grid)
    there = results[0][3] > 0
    expected = writer.array.clip(0, 255)
    np.testing.assert_allclose(results[0][:3, there], expected[:, there], atol=0.51)


@pytest.mark.parametrize(
    ("profile", "bands"),
    [({}, [1, 2, 3]), ({"alpha": "yes", "nodata": 0}, [1, 2, 3]), ({"alpha": "yes"}, [1, 4])],
    ids=["no alpha", "nodata", "alpha is data"],
)
def test_there_is_no_alpha_to_carry(tmp_path, profile, bands):
    path = tmp_path / "a.tif"
    sizes = {"height": 5, "width": 6, "count": 4, "dtype": "uint16", "photometric": "RGB"}
    with rasterio.open(path, "w", driver="GTiff", **sizes, **profile) as file:
        file.write(np.ones((4, 5, 6), np.uint16))
    assert alpha_of(path, open_reader(path, bands=bands)) is None
