from dataclasses import replace

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine
from model_examples import model
from prediction_examples import Repeat, resolver, scene

import srlab
from srlab.io import Channel, create_writer, open_reader
from srlab.io.array import ArrayReader
from srlab.normalisers import ZScore
from srlab.normalisers.statistics import DEVIATION, MAXIMUM, MEAN, MINIMUM
from srlab.prediction import Request, TileGrid, plan_tiles, super_resolve
from srlab.prediction.output.description import output_description, provenance, scene_of

CPU = torch.device("cpu")
SETTLED = {"precision": "32", "batch": 4, "threads": 3}
HASHES = {"model": "0a" * 32, "input": "0b" * 32}
GRID = TileGrid((40, 30), (16, 20), (2, 0), (2, 2), edges="reflect")


def narrowing(*names):
    """A model of four bands in and these out."""
    built = model(in_channels=4, out_channels=len(names))
    return type(built)(
        generator=built.generator,
        normaliser=built.normaliser,
        card=replace(built.card, output_names=names),
    ).eval()


@pytest.fixture
def bands(tmp_path):
    """A GeoTIFF of four bands; the first has a scale and a colour of its own."""
    path = tmp_path / "bands.tif"
    profile = {"driver": "GTiff", "count": 4, "height": 40, "width": 30, "dtype": "uint16"}
    place = {"crs": "EPSG:32633", "transform": Affine(10, 0, 399_960, 0, -10, 5_300_040)}
    with rasterio.open(path, "w", **profile, **place) as file:
        file.write(scene(4, 40, 30).astype(np.uint16))
        file.descriptions = ("B02", "B03", "B04", "B08")
    return path


@pytest.mark.parametrize("names", [("red", "green", "blue"), ("water",)], ids=len)
def test_a_model_of_fewer_outputs_writes_a_file_of_as_many_bands(bands, tmp_path, names):
    built, reader = narrowing(*names), open_reader(bands)
    path = tmp_path / "out.tif"
    plan = plan_tiles(built, reader, tile=24, overlap=2)
    made = provenance(plan, Request(), hashes=HASHES, device=CPU, settled=SETTLED)
    writer = create_writer(path, output_description(built, reader.description), provenance=made)
    super_resolve(built, reader, writer, plan=plan)
    with rasterio.open(path) as file:
        assert (file.count, *file.shape) == (len(names), 80, 60)
        assert file.dtypes == ("uint16",) * len(names)
        assert file.res == (5, 5)
        assert file.tags()["MODEL_SHA256"] == made.model
        assert file.read().any()


def test_outputs_named_as_inputs_are_stored_as_these():
    built = narrowing("green", "water")
    first = Channel(
        "B1", unit="K", dtype=np.dtype(np.uint8), nodata=0, colour="red", tags={"a": "b"}
    )
    second = Channel("B2", scale=0.5, description="the second")
    source = ArrayReader(scene(4, 6, 8)).description
    source = source.with_channels([first, second, *source.channels[2:]])
    described = output_description(built, source)
    assert described.shape == (12, 16)
    kept, water = described.channels
    assert kept == second
    assert (water.name, water.description) == ("water", "water")
    assert (water.unit, water.dtype, water.nodata) == ("K", np.uint8, 0)
    assert (water.colour, water.tags) == ("", {})


def test_a_scene_is_measured_for_normalisers_that_need_it():
    image = scene(2, 40, 30)
    image[:, :4] = np.nan
    generator = Repeat((2, 2), in_channels=2)
    assert scene_of([resolver(generator)], ArrayReader(image)) is None
    built = resolver(generator, normaliser=ZScore(channels=2, scope="scene"))
    (measured,) = scene_of([built], ArrayReader(image))
    rows = {MINIMUM: np.nanmin, MAXIMUM: np.nanmax, MEAN: np.nanmean, DEVIATION: np.nanstd}
    for row, measure in rows.items():
        expected = measure(image.astype(float), axis=(1, 2))
        np.testing.assert_allclose(measured[row, :-1], expected, rtol=1e-5)


def test_the_provenance_names_model_and_settings():
    statistics = torch.arange(12.0).reshape(1, 6, 2)
    statistics = torch.nn.functional.pad(statistics, (0, 1))  # of all channels together
    request = Request(noise_seed=7, force=["pixel_size"])
    made = provenance(GRID, request, hashes=HASHES, device=CPU, settled=SETTLED, scene=statistics)
    assert made.software == f"srlab {srlab.__version__}"
    assert made.model == HASHES["model"]
    assert made.description == "super-resolved, noise seed 7"
    assert made.settings == {
        "input_sha256": HASHES["input"],
        "tile": [16, 20],
        "overlap": [2, 0],
        "edges": "reflect",
        "join": "crop",
        "precision": "32",
        "device": "cpu",
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "threads": 3,
        "memory_format": "channels_last",
        "torch": str(torch.__version__),
        "force": ["pixel_size"],
        "noise_seed": 7,
        "scene": {
            "minimum": [0, 1],
            "maximum": [2, 3],
            "mean": [4, 5],
            "deviation": [6, 7],
        },
    }


def test_the_provenance_is_silent_about_what_was_not_used():
    cuda = torch.device("cuda:0")
    made = provenance(GRID, Request(), hashes=HASHES, device=cuda, settled=SETTLED)
    assert made.description == "super-resolved"
    assert made.settings["memory_format"] == "contiguous"
    assert not {"scene", "force", "threads"} & set(made.settings)
