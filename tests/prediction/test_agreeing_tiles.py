from dataclasses import replace

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine
from prediction_examples import resolver, scene, srresnet
from test_both_ways import network as across

from srlab.degradations import Area, Bicubic, Bounds, GaussianMtf, KSpace, ThickSlices
from srlab.io import open_reader
from srlab.io.array import ArrayReader, ArrayWriter
from srlab.mistakes import Mistake
from srlab.models.agreement import Agreement
from srlab.nn.shrinking import nothing
from srlab.prediction import (
    Opened,
    Predictor,
    Request,
    TileGrid,
    block,
    plan_tiles,
    super_resolve,
    super_resolve_file,
)
from srlab.prediction.network.projection import Agreeing, Parts, TiledAgreement
from srlab.prediction.verification import verify

TOP = 255.0
ALLOWED = 2e-5 * TOP


def agreeing(degradation, channels=1):
    model = resolver(srresnet(degradation.scale, channels), top=TOP)
    names = model.card.input_names
    model.agreement = Agreement(degradation, input_names=names, output_names=names)
    return model


def degraded(degradation, sr):
    return degradation(torch.from_numpy(sr[None])).numpy()[0]


@pytest.mark.parametrize(
    ("degradation", "shape", "tile"),
    [
        (Bicubic(scale=(2, 3)), (100, 60), 92),
        (GaussianMtf(scale=2, mtf=0.3), (101, 60), 96),
        (ThickSlices(scale=(3, 1, 1), profile="gaussian", gap=0.0, spatial_dims=3), (77, 5, 4), 76),
    ],
    ids=["bicubic", "mtf", "thick"],
)
def test_tiles_agree_as_the_whole_scene_does(degradation, shape, tile):
    model, image = agreeing(degradation), scene(1, *shape, top=TOP)
    reader, plan = ArrayReader(image), plan_tiles(model, ArrayReader(image), tile=tile)
    writer = ArrayWriter(1, plan.target_shape)
    super_resolve(model, reader, writer, plan=plan)
    assert len(plan) > 1
    np.testing.assert_allclose(degraded(degradation, writer.array), image, rtol=0, atol=ALLOWED)
    whole = model(torch.from_numpy(image)[None])[0].numpy()
    np.testing.assert_allclose(writer.array, whole, rtol=0, atol=1e-3)


def test_parts_are_what_is_measured_and_what_is_added():
    degradation = GaussianMtf(scale=2, mtf=0.3)
    model, image = agreeing(degradation), scene(1, 20, 24, top=TOP)
    agreement = TiledAgreement(model.agreement, order=(0, 1))
    predict = Parts(Agreeing(Predictor(model), agreement), agreement)
    tiles = TileGrid((20, 24), (24, 24), (3, 3), (2, 2))
    everything = (slice(0, 40), slice(0, 48))
    sr, measured, added = block(predict, ArrayReader(image), tiles, everything)[:, None]
    np.testing.assert_allclose(measured + added, sr, rtol=0, atol=1e-4)
    np.testing.assert_allclose(degraded(degradation, measured), image, rtol=0, atol=ALLOWED)
    np.testing.assert_allclose(degraded(degradation, added), 0, rtol=0, atol=ALLOWED)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 2, 1, 3)], ids=str)
def test_axes_that_the_model_does_not_see_hold_images_of_their_own(order):
    degradation = Bicubic(scale=(2, 1))
    lr = scene(1, 2, 5, 6, 4, top=TOP)
    finer = np.repeat(lr, 2, axis=1 + order[2])
    agreement = TiledAgreement(agreeing(degradation).agreement, order=order)
    predict = Agreeing(lambda lr, spare: finer[None], agreement)
    inside = tuple(slice(0, size) for size in lr.shape[1:])
    sr = predict(lr[None], [inside], nothing(order))[0]
    finer, coarse = (torch.from_numpy(each[0].transpose(order)) for each in (sr, lr))
    torch.testing.assert_close(degradation(finer), coarse, rtol=0, atol=ALLOWED)


def test_an_output_agrees_by_the_degradation_that_is_named(tmp_path):
    model, source, output = (
        resolver(srresnet((2, 2), 1), top=TOP),
        tmp_path / "a.npy",
        tmp_path / "b.npz",
    )
    image = scene(1, 21, 20, top=TOP)
    np.save(source, image)
    model.save(tmp_path / "model.safetensors")
    opened = [Opened(str(tmp_path / "model.safetensors"), model)]
    with pytest.raises(Mistake, match="name it, such as degradation=bicubic"):
        super_resolve_file(opened, source, output, request=Request(project=True, bands=[1]))
    recipe = {"_target_": "srlab.degradations.Area", "scale": [2, 2]}
    with pytest.raises(Mistake, match="add project=true, or leave it out"):
        Request(degradation=recipe)
    request = Request(project=True, degradation=recipe, bands=[1], force=["band_names"])
    super_resolve_file(opened, source, output, request=request)
    sr = open_reader(output).read((slice(0, 42), slice(0, 40)))
    coarse = sr.reshape(1, 21, 2, 20, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(coarse, image, rtol=0, atol=ALLOWED)
    assert verify(opened, output, source, blocks=2)


def test_an_axis_that_a_degradation_sees_whole_is_not_cut():
    model, reader = agreeing(KSpace(scale=(2, 1))), ArrayReader(scene(1, 400, 400))
    assert plan_tiles(model, reader).tile == (400, 288)
    assert plan_tiles(model, reader, tile=[400, 30], overlap=[0, 3]).overlap == (0, 3)
    with pytest.raises(Mistake, match=r"tiles of \(300, 300\) pixels cut a scene of \(400, 400\)"):
        plan_tiles(model, reader, tile=300)


def test_an_overlap_by_which_tiles_would_not_agree_is_refused():
    model, reader = agreeing(GaussianMtf(scale=2, mtf=0.3)), ArrayReader(scene(1, 60, 60))
    with pytest.raises(Mistake, match=r"overlap is 4 LR pixels, and .* across tiles from 10 on"):
        plan_tiles(model, reader, tile=40, overlap=4)
    with pytest.raises(Mistake, match=r"overlap is 10 LR pixels, and .* across tiles from 20 on"):
        plan_tiles(model, reader, tile=50, overlap=10, join="blend")
    assert len(plan_tiles(model, reader, tile=60, overlap=4)) == 1


def test_files_of_an_output_and_its_parts_add_up(tmp_path):
    """As integers the output agrees as well as rounding allows, and the parts are floats."""
    degradation = Bicubic(scale=2)
    image = degraded(degradation, scene(2, 200, 62, top=1600)).round().astype(np.uint16)
    place = {"crs": "EPSG:32632", "transform": Affine(10, 0, 4e5, 0, -10, 51e5)}
    sizes = {"width": 31, "height": 100, "count": 2, "dtype": "uint16"}
    with rasterio.open(tmp_path / "in.tif", "w", driver="GTiff", **sizes, **place) as file:
        file.write(image)
    recipe = {"_target_": "srlab.degradations.Bicubic", "scale": [2, 2]}
    model = agreeing(degradation, channels=2)
    model.card, model.agreement = replace(model.card, degradation=recipe), None
    (tmp_path / "m").write_bytes(b"a model has a file, whose hash is noted")
    names = [Opened(str(tmp_path / "m"), model)], tmp_path / "in.tif", tmp_path / "out.tif"
    request = Request(bands=[1, 2], tile=92, project=True, parts=True, force=("value_range",))
    super_resolve_file(*names, request=request)
    pixels, transforms = [], set()
    for name in ("out.tif", "out.measured.tif", "out.inferred.tif"):
        with rasterio.open(tmp_path / name) as file:
            pixels.append(file.read().astype(np.float32))
            transforms.add((file.transform, file.crs, file.dtypes[0] == "uint16"))
    sr, measured, inferred = pixels
    assert len(transforms) == 2
    np.testing.assert_allclose(sr, measured + inferred, rtol=0, atol=0.501)
    np.testing.assert_allclose(degraded(degradation, sr), image, rtol=0, atol=0.9)
    np.testing.assert_allclose(degraded(degradation, measured), image, rtol=0, atol=0.1)
    assert verify(names[0], names[2], names[1]).differing == 0


@pytest.mark.parametrize(
    "degradation", [Bicubic(scale=4), Area(scale=4), GaussianMtf(scale=4, mtf=0.3)], ids=type
)
def test_sentinel2_agrees_within_one_digital_number_once_it_is_stored(shared_data, degradation):
    scene_file = shared_data("satellite/s2_ftw_8band_10m_uint16_utm33.tif")
    with rasterio.open(scene_file) as file:  # where bright fields meet dark ones
        lr = file.read(4, window=((300, 350), (150, 210))).astype(np.float32)[None]

    def network(tiles, spare):
        return np.kron(tiles, np.ones((1, 1, 4, 4), np.float32))

    agreement = TiledAgreement(agreeing(degradation).agreement, order=(0, 1))
    bounds = Bounds(torch.zeros(1), torch.tensor([65535.0]), torch.ones(1))
    predict = Agreeing(network, agreement, bounds=bounds)
    everything = (slice(0, 50), slice(0, 60))
    stored = predict(lr[None], [everything], nothing(everything))[0].round().clip(0, 65535)
    assert np.abs(degraded(degradation, stored) - lr).max() < 1


def test_thick_slices_agree_through_a_model_of_the_planes_across_them():
    degradation = ThickSlices(scale=(3, 1), profile="gaussian", gap=0.0)
    model, volumes = across("y"), scene(1, 2, 12, 9, 10, top=1)
    model.agreement = Agreement(degradation, input_names=("signal",), output_names=("signal",))
    plan = plan_tiles(model, ArrayReader(volumes))
    writer = ArrayWriter(1, (2, 12, 27, 10))
    super_resolve(model, ArrayReader(volumes), writer, plan=plan)
    finer = torch.from_numpy(writer.array).flatten(0, 2)[:, None]
    coarse = torch.from_numpy(volumes).flatten(0, 2)[:, None]
    torch.testing.assert_close(degradation(finer), coarse, rtol=0, atol=2e-5)
