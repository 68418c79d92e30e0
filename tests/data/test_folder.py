import os
import re
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from PIL import Image
from torch.utils.data import DataLoader

import srlab.data.sources.folder
from srlab.data import Folder
from srlab.data.splits import Listed, WholeFiles

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

SENTINEL2 = "satellite/s2_ftw_8band_10m_uint16_utm33.tif"


def halved(hr, *, generator):
    """Take every second pixel: these tests look at HR."""
    return hr[..., ::2, ::2]


def folder(root, **overrides):
    settings = {
        "suffixes": [".png", ".tif"],
        "bands": [1],
        "scale": 2,
        "spatial_dims": 2,
        "crop_size": 8,
        "valid_share": 0.0,
        "weighting": "none",
        "symmetries": ["flips", "quarter_turns"],
        "mask": None,
        "hidden_classes": [0],
        "channel_dropout": 0.0,
        "intensity_jitter": 0.0,
        "split": WholeFiles(fraction=0.25),
        "validation_size": 8,
        "validation_views": None,
        "test_size": None,
        "unit": "8-bit value",
        "data_range": 255.0,
        "seed": 0,
        **overrides,
    }
    settings.setdefault("degradation", halved)
    return Folder(root=str(root), **settings)


def spacings(source):
    return tuple(axis.spacing for axis in source.axes)


def write(path, image, names=(), **profile):
    """Write ``(C, H, W)`` as it is."""
    bands, height, width = image.shape
    profile = {
        "driver": "GTiff",
        "count": bands,
        "height": height,
        "width": width,
        "dtype": image.dtype,
        **profile,
    }
    with rasterio.open(path, "w", **profile) as file:
        file.write(image)
        for number, name in enumerate(names, start=1):
            file.set_band_description(number, name)


def picture(path, *shape, value=None):
    image = np.random.default_rng(0).integers(0, 256, shape)
    if value is not None:
        image[:] = value
    Image.fromarray(image.astype(np.uint8)).save(path)


def values(samples):
    return set(torch.cat([sample["hr"].flatten() for sample in samples]).tolist())


def numbered(*shape, first=0):
    return np.arange(first, first + np.prod(shape), dtype=np.float32).reshape(1, *shape)


@pytest.mark.parametrize(("shape", "fraction"), [((24, 40), 0.1), ((40, 24), 0.5)])
def test_training_and_validation_share_no_pixel_of_one_file(tmp_path, shape, fraction):
    image = numbered(*shape)
    write(tmp_path / "scene.tif", image)
    data = folder(tmp_path / "scene.tif", split=WholeFiles(fraction=fraction), validation_size=None)
    held = round(40 * fraction)
    training = values(data.training[position] for position in range(250))
    validation = values(data.validation)
    longest = shape.index(40)
    assert validation == set(np.split(image[0], [40 - held], axis=longest)[1].flatten())
    rest = set(image.flatten()) - validation
    assert training <= rest
    assert len(training) > 0.95 * len(rest)


def test_training_and_validation_share_no_file_of_several(tmp_path):
    for number in range(8):
        write(tmp_path / f"{number}.tif", numbered(10 + number, 12, first=1000 * number))
    data = folder(tmp_path)
    training = values(data.training[position] for position in range(200))
    training, validation = (
        {int(value) // 1000 for value in found} for found in (training, values(data.validation))
    )
    assert len(validation) == 2
    assert training == set(range(8)) - validation
    assert len(data.test) == 8  # evaluation scores all that it is given


def test_a_file_found_twice_is_not_both_trained_and_validated_on(tmp_path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    for number, place in enumerate(["a.tif", "deep/b.tif", "deep/er/c.tif"]):
        write(tmp_path / place, numbered(12, 12, first=1000 * number))
    data = folder(f"{tmp_path}/**/**/*.tif", split=WholeFiles(fraction=0.4))
    training = values(data.training[position] for position in range(100))
    assert training.isdisjoint(values(data.validation))


def test_bands_are_chosen_by_number_or_by_name_in_the_order_asked(tmp_path):
    image = np.stack([np.full((16, 24), value, dtype=np.uint16) for value in (10, 20, 30)])
    write(tmp_path / "scene.tif", image, names=("B02", "B03", "B08"))
    for bands in ([3, 1], ["B08", "B02"], ["B08", 1]):
        data = folder(tmp_path, bands=bands, split=WholeFiles(fraction=0.5))
        assert data.channel_names == ("B08", "B02")
        assert data.bands == tuple(bands)
        for sample in (data.training[0], data.validation[0], data.test[0]):
            assert [channel.unique().tolist() for channel in sample["hr"]] == [[30], [10]]


@pytest.mark.parametrize("band", [4, "B11"])
def test_a_missing_band_is_named_with_its_file(tmp_path, band):
    image = np.zeros((3, 16, 16), dtype=np.uint16)
    write(tmp_path / "scene.tif", image, names=("B02", "B03", "B08"))
    with pytest.raises(ValueError, match=rf"scene\.tif.*{band}|{band}.*scene\.tif"):
        folder(tmp_path, bands=[1, band])


def test_files_with_other_axes_than_asked_for_are_refused(tmp_path):
    picture(tmp_path / "x.png", 20, 20)
    message = f"{tmp_path}/x.png has 2 axes (y, x) and spatial_dims is 3; choose spatial_dims to"
    with pytest.raises(ValueError, match=re.escape(message)):
        folder(tmp_path, spatial_dims=3)


def test_images_may_differ_in_size(tmp_path):
    shapes = {"a": (20, 30), "b": (9, 41), "c": (33, 8), "d": (64, 64)}
    for name, shape in shapes.items():
        picture(tmp_path / f"{name}.png", *shape)
    data = folder(tmp_path, validation_size=None)
    assert {tuple(data.training[position]["hr"].shape) for position in range(50)} == {(1, 8, 8)}
    even = [(20, 30), (8, 40), (32, 8), (64, 64)]
    assert [tuple(sample["hr"].shape[1:]) for sample in data.test] == even
    for sample in data.test:
        assert tuple(2 * side for side in sample["lr"].shape[1:]) == tuple(sample["hr"].shape[1:])


TINY = (
    "a training crop of (8, 8) pixels (data.crop_size) does not fit into {}/tiny.png, of which (7, "
    "7) pixels are for training; lower data.crop_size or remove the file."
)


def pictures(root, number, *odd, side=40):
    """Pictures of a grey each, and files of another kind."""
    for place in range(number):
        picture(root / f"{place}.png", side, side, value=place)
    for name in odd:
        if name == "tiny.png":
            picture(root / name, 7, 7)
        elif name == "text.png":
            (root / name).write_text("no picture")
        else:  # the header of a picture whose pixels are missing
            whole = root / f"{name}.whole"
            Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 40), np.uint8)).save(
                whole, "PNG"
            )
            (root / name).write_bytes(whole.read_bytes()[:500])


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        ("tiny.png", TINY),
        ("text.png", "{}/text.png is not a raster that GDAL can read"),
        ("half.png", "{}/half.png cannot be read at rows"),
    ],
)
def test_a_file_that_cannot_be_used_is_left_out_named_and_counted(tmp_path, caplog, odd, reason):
    pictures(tmp_path, 4, odd)
    data = folder(tmp_path, split=WholeFiles(fraction=0.2))
    seen = values(data.training[position] for position in range(60))
    assert len({*range(4)} & seen) == 3  # and one is held out
    (told,) = [record.getMessage() for record in caplog.records]
    assert told.startswith(f"{tmp_path}/{odd} is left out, 1 of 5 files: ")
    assert reason.format(tmp_path) in told


def test_too_many_files_that_cannot_be_used_are_an_error(tmp_path):
    pictures(tmp_path, 3, "tiny.png", "text.png")
    with pytest.raises(ValueError, match="2 of 5 files cannot be used, and at most 1 may be"):
        _ = folder(tmp_path).training
    for name in "012":
        (tmp_path / f"{name}.png").unlink()
    with pytest.raises(ValueError, match="1 of 2 files cannot be used, and at most 0 may be"):
        _ = folder(tmp_path).training
    with pytest.raises(
        ValueError, match=r"^a training crop of \(8, 8\) pixels .* remove the file.$"
    ):
        _ = folder(tmp_path / "tiny.png").training


@pytest.mark.parametrize(("share", "most"), [(0.0, 0), (0.05, 1), (0.4, 2)])
def test_as_many_files_may_be_left_out_as_asked_for(tmp_path, caplog, share, most):
    pictures(tmp_path, 5)
    for broken in range(most + 1):
        if broken:
            assert len(folder(tmp_path, broken_share=share).readers) == 5 - broken
            assert caplog.text.count("is left out") == broken
            caplog.clear()
        (tmp_path / f"{broken}.png").write_text("no picture")
    reason = rf"{most + 1} of 5 files cannot be used, and at most {most} may be left out \(data"
    with pytest.raises(ValueError, match=reason):
        folder(tmp_path, broken_share=share)


@pytest.mark.parametrize("share", [-0.1, 1, float("nan")])
def test_a_share_of_files_below_one_is_asked_for(tmp_path, share):
    pictures(tmp_path, 1)
    with pytest.raises(ValueError, match=rf"^broken_share is {share}; give a share of the files"):
        folder(tmp_path, broken_share=share)


def test_what_is_left_out_may_not_be_all_that_trains(tmp_path):
    picture(tmp_path / "a.png", 40, 40)
    picture(tmp_path / "b.png", 4, 40)
    source = folder(tmp_path, broken_share=0.9, split=Listed(files=["a.png"]))
    with pytest.raises(ValueError, match=r"does not fit into .*b\.png"):
        _ = source.training


def test_grey_pictures_are_repeated_where_colours_are_wanted(tmp_path, caplog):
    rgb = np.arange(3 * 24 * 24, dtype=np.uint8).reshape(24, 24, 3)
    Image.fromarray(rgb).save(tmp_path / "rgb.png")
    Image.fromarray(rgb[..., 0]).save(tmp_path / "grey.png")
    Image.fromarray(rgb[..., :2], "LA").save(tmp_path / "transparent.png")
    caplog.set_level("INFO")
    data = folder(tmp_path, bands=[3, 1, 2], grey_as_colour=True)
    assert data.channel_names == ("B", "R", "G")
    assert "2 of 3 files are grey and repeated as colours, such as" in caplog.text
    grey, _, _ = (sample["hr"] for sample in data.test)
    np.testing.assert_array_equal(grey, rgb[..., 0][None].repeat(3, 0))
    with pytest.raises(
        ValueError, match=r"2 of 3 files cannot be used, .* has no band 3: its bands are"
    ):
        folder(tmp_path, bands=[3, 1, 2])


def test_a_held_out_part_smaller_than_an_lr_pixel_is_named(tmp_path):
    picture(tmp_path / "x.png", 12, 12)
    message = f"{tmp_path}/x.png is too small: a view of (1, 8) pixels is smaller than one LR"
    with pytest.raises(ValueError, match=re.escape(message)):
        _ = folder(tmp_path, split=WholeFiles(fraction=0.01)).validation


def test_evaluation_asks_for_nothing_that_only_training_needs(tmp_path):
    picture(tmp_path / "x.png", 12, 12)
    data = folder(tmp_path, crop_size=28, validation_views=0)
    assert len(data.test) == 1
    with pytest.raises(ValueError, match="does not fit into"):
        _ = data.training


def test_validation_has_a_view_at_least(tmp_path):
    picture(tmp_path / "x.png", 64, 64)
    with pytest.raises(ValueError, match=r"validation_views is 0; give a number of views >= 1"):
        _ = folder(tmp_path, validation_views=0).validation


def test_the_number_of_views_is_limited(tmp_path):
    picture(tmp_path / "x.png", 64, 64)
    assert len(folder(tmp_path).validation) == 2 * 8
    assert len(folder(tmp_path, validation_views=5).validation) == 5
    assert len(folder(tmp_path, test_size=(32, 16)).test) == 2 * 4


def test_missing_pixels_reach_the_sample_as_a_mask(tmp_path):
    image = np.full((1, 16, 32), 500, dtype=np.uint16)
    image[0, 3:6, 4:9] = 0
    write(tmp_path / "scene.tif", image, nodata=0)
    data = folder(tmp_path, crop_size=(16, 24), symmetries=[])
    sample = data.training[0]
    np.testing.assert_array_equal(sample["valid"].numpy(), image[:, :, :24] > 0)
    assert sample["hr"].unique().tolist() == [500]
    assert sample["lr"].isfinite().all()


def test_the_pixel_size_is_the_files(tmp_path):
    transform = rasterio.Affine(10, 0, 500_000, 0, -20, 5_000_000)
    write(tmp_path / "scene.tif", numbered(20, 30), crs="EPSG:32633", transform=transform)
    assert spacings(folder(tmp_path)) == pytest.approx((20, 10))
    picture(tmp_path / "x.png", 20, 30)
    assert spacings(folder(tmp_path / "x.png")) == (None, None)


def test_workers_read_the_same_samples(tmp_path):
    for number in range(5):
        picture(tmp_path / f"{number}.png", 30, 40 + number)
    data = folder(tmp_path)
    expected = [
        data.training[position]["hr"].numpy() for position in range(24)
    ]  # the files are open, then forked
    loader = DataLoader(
        data.training, sampler=range(24), batch_size=4, num_workers=2, collate_fn=list
    )
    for ours, theirs in zip(expected, chain.from_iterable(loader), strict=True):
        np.testing.assert_array_equal(ours, theirs["hr"].numpy())


def test_statistics_are_those_of_the_training_split(tmp_path):
    image = np.random.default_rng(0).integers(1, 9000, (1, 40, 24)).astype(np.uint16)
    image[0, 3:9, 4:7] = 0
    write(tmp_path / "scene.tif", image, nodata=0)
    data = folder(tmp_path)
    values = image[:, :30][image[:, :30] > 0]
    found = data.statistics()
    assert found.count.tolist() == [len(values)]
    assert (found.minimum.item(), found.maximum.item()) == (values.min(), values.max())
    assert found.mean.item() == pytest.approx(values.mean())


def test_scenes_are_those_of_whole_files_and_kept(tmp_path, monkeypatch):
    for number in range(3):
        write(tmp_path / f"{number}.tif", numbered(12, 12, first=1000 * number))
    cache = tmp_path / "scenes.json"
    data = folder(tmp_path)
    data.gather_scenes(cache)
    for sample in (data.training[0], data.validation[0], data.test[2]):
        first = 1000 * (sample["hr"].min() // 1000)
        assert sample["scene"][:2, 0].tolist() == [first, first + 143]

    measured = []
    measure = srlab.data.measuring.scenes.measure
    counted = lambda *a, **b: measured.append(a) or measure(*a, **b)  # noqa: E731
    monkeypatch.setattr(srlab.data.measuring.scenes, "measure", counted)
    folder(tmp_path).gather_scenes(cache)
    assert measured == []
    write(tmp_path / "1.tif", numbered(13, 12))
    again = folder(tmp_path)
    again.gather_scenes(cache)
    assert len(measured) == 1
    assert again.test[1]["scene"][:2, 0].tolist() == [0, 155]
    folder(tmp_path, bands=[1, 1]).gather_scenes(cache)
    assert len(measured) == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "0.tif",
        "1.tif",
        "2.tif",
        "scenes.json",
    ]


def test_a_file_without_any_value_has_no_scene(tmp_path):
    write(tmp_path / "empty.tif", np.zeros((1, 40, 24), np.uint16), nodata=0)
    with pytest.raises(ValueError, match=r"a channel of .*empty.tif holds no value at all; remove"):
        folder(tmp_path).gather_scenes(tmp_path / "scenes.json")


def test_no_more_than_the_crop_is_read_from_disk(shared_data, monkeypatch):
    path = shared_data(SENTINEL2)
    asked = []

    def spying(path, **settings):
        reader = open_reader(path, **settings)
        read = reader.read
        monkeypatch.setattr(
            reader, "read", lambda window: asked.append(window) or read(window), raising=False
        )
        return reader

    open_reader = srlab.data.sources.folder.open_reader
    monkeypatch.setattr(srlab.data.sources.folder, "open_reader", spying)
    data = folder(
        path, bands=[3, 2, 1, 4], crop_size=(48, 32), symmetries=[], split=WholeFiles(fraction=0.2)
    )
    assert asked == []
    assert len(data.channel_names) == 4
    assert spacings(data) == pytest.approx((10, 10))
    with rasterio.open(path) as file:
        whole = file.read([3, 2, 1, 4]).astype(np.float32)
    for position in range(30):
        hr = data.training[position]["hr"].numpy()
        (window,) = asked
        assert hr.shape == (4, 48, 32) == (4, *(span.stop - span.start for span in window))
        np.testing.assert_array_equal(hr, whole[(slice(None), *window)])
        asked.clear()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no list of open files")
def test_many_files_do_not_exhaust_the_handles(tmp_path):
    for number in range(60):
        picture(tmp_path / f"{number}.png", 9, 9, value=number)
    before = len(os.listdir("/proc/self/fd"))
    data = folder(tmp_path)
    assert len(os.listdir("/proc/self/fd")) == before
    means = [int(sample["hr"].mean()) for sample in data.test]
    # the names sort as text
    assert means == sorted(range(60), key=lambda number: f"{number}.png")
    assert len({float(data.training[position]["hr"].mean()) for position in range(200)}) > 40
    assert len(os.listdir("/proc/self/fd")) <= before + 32
