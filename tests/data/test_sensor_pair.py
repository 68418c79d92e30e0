"""Two sensors over one place: whatever their grids, LR and HR of a sample show the same ground."""

import logging
import pickle

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine
from rasterio.warp import transform
from scipy import ndimage
from skimage.registration import phase_cross_correlation

from srlab.data import SensorPair
from srlab.data.splits import WholeFiles
from srlab.mistakes import Mistake
from srlab.nn.resample import enlarge

UTM, NEIGHBOUR = "EPSG:32632", "EPSG:32633"
LR_PLACE = Affine(20, 0, 700_000, 0, -20, 5_200_000)
SETTINGS = {
    "lr_name": None,
    "hr_name": None,
    "suffixes": [".tif"],
    "bands": [1, 2],
    "hr_bands": [1, 2],
    "scale": 2,
    "warp": "cubic",
    "max_shift": None,
    "shift_bands": None,
    "crop_size": 32,
    "valid_share": 0.5,
    "weighting": "none",
    "symmetries": ["flips", "quarter_turns"],
    "mask": None,
    "hidden_classes": [],
    "lr_mask": None,
    "lr_hidden_classes": [],
    "channel_dropout": 0.0,
    "intensity_jitter": 0.0,
    "split": WholeFiles(fraction=0.25),
    "validation_size": 32,
    "validation_views": 4,
    "test_size": None,
    "unit": "m",
    "data_range": 1e7,
    "seed": 0,
}
TEXTURE = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(400, 400)), 1.5) * 1000


def write(path, image, place, crs=UTM, **options):
    path.parent.mkdir(exist_ok=True)
    shape = {"count": len(image), "height": image.shape[1], "width": image.shape[2]}
    with rasterio.open(
        path, "w", driver="GTiff", dtype="float32", crs=crs, transform=place, **shape, **options
    ) as file:
        file.write(image.astype(np.float32))


def coordinates(shape, place, crs=UTM):
    """An image whose bands are the UTM metres, east and north, of the centres of its pixels."""
    rows, columns = np.indices(shape) + 0.5
    x, y = place @ (columns.ravel(), rows.ravel())
    if crs != UTM:
        x, y = transform(crs, UTM, x, y)
    east, north = np.asarray(x) - 700_000, np.asarray(y) - 5_200_000
    return np.stack([east, north]).reshape(2, *shape)


def sensed(top, left, pixel, shape):
    """What a sensor sees of `TEXTURE`, 5 m fine, from a place on."""
    rows, columns = shape[0] * pixel, shape[1] * pixel
    part = TEXTURE[top : top + rows, left : left + columns]
    return part.reshape(1, shape[0], pixel, shape[1], pixel).mean(axis=(2, 4))


def textures(path, *, move=(0, 0), half=False):
    """LR of 20 m and HR of 10 m of one place; `half` of HR, or all, lies `move` × 5 m beside."""
    write(path / "lr.tif", sensed(20, 20, 4, (80, 80)), LR_PLACE)
    hr = sensed(20 - move[0], 20 - move[1], 2, (160, 160))
    if half:
        hr[:, :, 80:] = sensed(20, 180, 2, (160, 80))
    write(path / "hr.tif", hr, LR_PLACE @ Affine.scale(0.5))
    settings = {"bands": [1], "hr_bands": [1], "max_shift": 1.0, "data_range": 2000.0}
    return {**SETTINGS, **settings, **both(path)}


def both(path, lr="lr.tif", hr="hr.tif"):
    return {"lr_root": str(path / lr), "root": str(path / hr)}


HR_GRIDS = [
    (LR_PLACE @ Affine.scale(0.5), UTM),
    (LR_PLACE @ Affine.translation(3, -2) @ Affine.scale(0.5) @ Affine.translation(0.5, 0.5), UTM),
    (LR_PLACE @ Affine.translation(12, 2) @ Affine.rotation(30) @ Affine.scale(0.45), UTM),
    (LR_PLACE @ Affine(0.5, 0, 2, 0, -0.5, 50), UTM),
    (Affine(10, 0, 243_260, 0, -10, 5_202_120), NEIGHBOUR),
]


@pytest.mark.parametrize(
    ("place", "crs"), HR_GRIDS, ids=["aligned", "beside", "turned", "south-up", "another zone"]
)
def test_both_show_the_same_ground_whatever_their_grids(tmp_path, place, crs):
    write(tmp_path / "lr.tif", coordinates((60, 70), LR_PLACE), LR_PLACE)
    write(tmp_path / "hr.tif", coordinates((110, 120), place, crs), place, crs)
    source = SensorPair(**{**SETTINGS, **both(tmp_path)})
    assert [axis.spacing for axis in source.axes] == [20, 20]
    assert [axis.spacing for axis in source.hr_axes] == [10, 10]
    for position in range(10):
        sample = source.training[position]
        cells = sample["hr"].reshape(2, 16, 2, 16, 2).mean(dim=(2, 4))
        valid = sample.get("valid", torch.ones(1, 32, 32, dtype=torch.bool))
        whole = valid.reshape(16, 2, 16, 2).all(dim=3).all(dim=1)
        assert valid.float().mean() >= 0.5
        error = (cells - sample["lr"]).abs()[:, whole]
        assert float(error.quantile(0.9)) < 0.1  # metres; at a rim there is less to go by


def test_only_ground_that_both_show_counts(tmp_path):
    write(tmp_path / "lr.tif", coordinates((60, 70), LR_PLACE), LR_PLACE)
    place = LR_PLACE @ Affine.translation(20, 30) @ Affine.scale(0.5)
    write(tmp_path / "hr.tif", coordinates((90, 70), place), place)
    (view,) = SensorPair(**{**SETTINGS, **both(tmp_path)}).test
    assert view["lr"].shape == (2, 30, 35)
    assert view["lr"][:, 0, 0].tolist() == [20.5 * 20, -30.5 * 20]


def test_refuse_takes_hr_as_it_is_and_only_on_the_refined_grid(tmp_path):
    settings = {**textures(tmp_path), "warp": "refuse"}
    (view,) = SensorPair(**settings).test
    np.testing.assert_allclose(view["hr"], sensed(20, 20, 2, (160, 160)), rtol=1e-6)
    place = LR_PLACE @ Affine.scale(0.5) @ Affine.translation(0.5, 0)
    write(tmp_path / "hr.tif", sensed(20, 20, 2, (160, 160)), place)
    with pytest.raises(Mistake, match=r"a pixel there is 1 × 1 of its own, and .* choose data\.w"):
        SensorPair(**settings)


def test_a_pair_that_lies_three_pixels_beside_is_refused(tmp_path):
    settings = textures(tmp_path, move=(6, 0))
    message = (
        r"not show the place of .*: of 25 windows in 25 HR .* (2\.9|3\.\d) rows and -?0\.\d col"
    )
    with pytest.raises(Mistake, match=message):
        SensorPair(**settings)
    assert len(SensorPair(**{**settings, "max_shift": 4.0}).test) == 1


def test_windows_beside_each_other_are_passed_over_and_counted(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    settings = {**textures(tmp_path, move=(8, 0), half=True), "symmetries": []}
    source = SensorPair(**settings)
    right = sensed(20, 180, 2, (160, 80))[0].astype(np.float32)
    again = pickle.loads(pickle.dumps(source))
    for position in range(40):
        sample = source.training[position]
        assert torch.equal(sample["hr"], again.training[position]["hr"])
        # the corner that lies in the right half, by more than half of the window
        corner = sample["hr"][0, -4:, -4:].numpy()
        views = np.lib.stride_tricks.sliding_window_view(right, (4, 4))
        assert np.isclose(views, corner, rtol=1e-5).all(axis=(2, 3)).any()
    assert "other ground in LR than in HR are passed over: of 64 windows in" in caplog.text
    assert "views are left out" not in caplog.text  # nor read, until they are counted
    assert len(SensorPair(**{**settings, "test_size": 40}).test) == 8
    assert "8 of 16 views are left out: LR and HR show different ground" in caplog.text


def test_windows_with_too_little_overlap_are_passed_over(tmp_path):
    settings = {**textures(tmp_path), "max_shift": None, "valid_share": 0.8}
    hr = sensed(20, 20, 2, (160, 160))
    hr[:, :70] = -9999
    write(tmp_path / "hr.tif", hr, LR_PLACE @ Affine.scale(0.5), nodata=-9999)
    source = SensorPair(**settings)
    shares = [
        float(source.training[at].get("valid", torch.ones(1)).float().mean()) for at in range(40)
    ]
    assert min(shares) >= 0.8
    assert min(shares) < 1


def test_clouds_of_either_are_passed_over_by_their_masks(tmp_path):
    settings = {**textures(tmp_path), "max_shift": None, "valid_share": 1.0, "symmetries": []}
    place = LR_PLACE @ Affine.scale(0.5)
    hr = np.concatenate([sensed(20, 20, 2, (160, 160)), np.zeros((1, 160, 160))])
    hr[1, :, :60] = 9
    write(tmp_path / "hr.tif", hr, place)
    lr_classes = np.ones((1, 80, 80))
    lr_classes[0, :30] = 3
    write(tmp_path / "clouds_lr.tif", lr_classes, LR_PLACE)
    masks = {"mask": 2, "hidden_classes": [9], "lr_mask": "clouds_{name}.tif"}
    source = SensorPair(**{**settings, **masks, "lr_hidden_classes": [3]})
    clear = sensed(20, 20, 2, (160, 160))[0, 60:, 60:].astype(np.float32)
    views = np.lib.stride_tricks.sliding_window_view(clear, (32, 32))
    for position in range(5):
        hr = source.training[position]["hr"][0].numpy()
        assert np.isclose(views, hr, rtol=1e-4).all(axis=(2, 3)).any()


def folders(path):
    """Two LR and three HR tiles in a row, of which one HR lies elsewhere."""
    for number in range(2):
        place = LR_PLACE @ Affine.translation(60 * number, 0)
        write(path / "lr" / f"old_{number}.tif", coordinates((60, 60), place), place)
    for number, column in enumerate([-20, 40, 900]):
        place = LR_PLACE @ Affine.translation(column, 0) @ Affine.scale(0.5)
        write(path / "hr" / f"new_{number}.tif", coordinates((120, 120), place), place)
    return {**SETTINGS, **both(path, "lr", "hr")}


def test_files_that_share_ground_are_pairs(tmp_path, caplog):
    source = SensorPair(**folders(tmp_path))
    names = [source.test.file(place) for place in range(len(source.test))]
    assert [name.count("new_0") for name in names] == [1, 0, 0]
    assert [name.count("new_1") for name in names] == [0, 1, 1]
    assert len(source.readers) == 2
    assert "1 files share no ground with another: " in caplog.text
    for sample in source.test:
        cells = sample["hr"].unfold(1, 2, 2).unfold(2, 2, 2).mean(dim=(3, 4))
        torch.testing.assert_close(cells, sample["lr"], rtol=0, atol=0.01)


def test_files_of_one_name_are_pairs(tmp_path, caplog):
    settings = {**folders(tmp_path), "lr_name": "old_{name}", "hr_name": "new_{name}"}
    source = SensorPair(**settings)
    assert [source.test.file(place).count("new_0") for place in range(2)] == [1, 0]
    assert "1 HR files have no partner: new_2.tif" in caplog.text


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_shift": 0.0}, r"data\.max_shift is 0\.0; give HR pixels above 0"),
        ({"shift_bands": ["B9"]}, r"data\.shift_bands is \['B9'\]; choose among data\.bands"),
        ({"crop_size": 200}, r"shares ground of \(100, 100\) LR pixels with one of data\.root"),
        ({"warp": "best"}, "resampling is 'best'; choose one of nearest"),
    ],
)
def test_settings_that_mean_nothing_are_refused(tmp_path, settings, message):
    with pytest.raises(Mistake, match=message):
        SensorPair(**{**textures(tmp_path), **settings})


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_files_that_lie_nowhere_are_refused(tmp_path):
    settings = textures(tmp_path)
    write(tmp_path / "hr.tif", sensed(20, 20, 2, (160, 160)), Affine.identity(), crs=None)
    with pytest.raises(Mistake, match=r"hr\.tif has no CRS and transform to say where"):
        SensorPair(**settings)


@pytest.fixture
def landsat(shared_data, tmp_path):
    """Landsat 8: four bands of 30 m in one file, and the panchromatic one of 15 m."""
    folder = shared_data("satellite/l8_pan15_ms30/l8_B2.tif").parent
    files = [rasterio.open(folder / f"l8_B{number}.tif") for number in (2, 3, 4, 5)]
    place, crs = files[0].transform, files[0].crs
    write(tmp_path / "ms.tif", np.concatenate([file.read() for file in files]), place, crs)
    return {
        **SETTINGS,
        "lr_root": str(tmp_path / "ms.tif"),
        "root": str(folder / "l8_B8.tif"),
        "bands": [1, 2, 3, 4],
        "hr_bands": [1],
        "shift_bands": [1, 2, 3],  # the panchromatic band sees visible light
        "max_shift": 1.0,
        "crop_size": 96,
        "data_range": None,
    }


def beside(lr, hr):
    """How many HR pixels the visible bands and the panchromatic one lie beside each other."""
    enlarged = enlarge(lr[None], (2, 2))[0, :3].mean(dim=0).numpy()
    taper = np.outer(*[np.hanning(side + 2)[1:-1] for side in enlarged.shape])
    prepared = [(each - np.average(each, weights=taper)) * taper for each in (enlarged, hr[0])]
    shift, _, _ = phase_cross_correlation(*prepared, upsample_factor=20)
    return np.hypot(*shift)


def test_landsat_bands_and_pan_show_the_same_ground(landsat):
    # Clouds move from one band to the next, by 3 pixels. The last 200 rows are clear.
    source = SensorPair(**{**landsat, "test_size": [200, 1252]})
    last = source.test.regions[-1].window[0]
    assert (last.start, last.stop) == (1000, 1200)
    view = source.test[len(source.test) - 1]
    assert beside(view["lr"], view["hr"].numpy()) < 0.5
    assert source.training[0]["lr"].shape == (4, 48, 48)
    assert source.training[0]["hr"].shape == (1, 96, 96)


def test_landsat_pan_that_is_shifted_by_three_pixels_is_refused(landsat, tmp_path):
    with rasterio.open(landsat["root"]) as file:
        place = file.transform @ Affine.translation(0, 3)
        write(tmp_path / "moved.tif", file.read(), place, file.crs)
    with pytest.raises(Mistake, match=r"does not show the place of .*: of 64 windows in 64 HR"):
        SensorPair(**{**landsat, "root": str(tmp_path / "moved.tif"), "data_range": 65535.0})
