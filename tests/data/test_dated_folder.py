"""Several dates of a place: LR is made of each, and HR is the latest."""

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine

from srlab.data import DatedFolder
from srlab.data.splits import WholeFiles
from srlab.degradations import Area
from srlab.mistakes import Mistake

PLACE = Affine(10, 0, 700_000, 0, -10, 5_200_000)
SETTINGS = {
    "name": "{place}/{date}",
    "dates": 3,
    "suffixes": [".tif"],
    "bands": [1, 2],
    "scale": 2,
    "spatial_dims": 2,
    "degradation": Area(scale=2, spatial_dims=2),
    "crop_size": 16,
    "valid_share": 0.5,
    "weighting": "none",
    "symmetries": ["flips", "quarter_turns"],
    "mask": None,
    "hidden_classes": [],
    "channel_dropout": 0.0,
    "intensity_jitter": 0.0,
    "split": WholeFiles(fraction=0.5),
    "validation_size": 16,
    "validation_views": 2,
    "test_size": None,
    "unit": "DN",
    "data_range": 65535.0,
    "seed": 0,
}


def write(path, image, place=PLACE):
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path, "w", driver="GTiff", dtype="uint16", nodata=0, crs="EPSG:32632", transform=place,
        count=len(image), height=image.shape[1], width=image.shape[2],
    ) as file:  # fmt: skip
        file.write(image.astype(np.uint16))


def noise(seed):
    return np.random.default_rng(seed).integers(1, 60_000, (2, 32, 40))


def means(image):
    return torch.from_numpy(image.astype(np.float32)).unfold(1, 2, 2).unfold(2, 2, 2).mean((3, 4))


@pytest.fixture
def places(tmp_path):
    """One place of three dates, and one of two."""
    for number in range(3):
        write(tmp_path / "a" / f"2024-0{number + 1}-01.tif", noise(number))
    for number in range(2):
        write(tmp_path / "b" / f"2024-0{number + 1}-01.tif", noise(10 + number))
    return {**SETTINGS, "root": str(tmp_path)}


def test_lr_is_each_date_from_the_latest_back_and_hr_the_latest(places):
    source = DatedFolder(**places)
    assert source.channel_names == ("1", "2", "1@1", "2@1", "1@2", "2@2")
    assert source.hr_channel_names == ("1", "2")
    full, short = source.test
    np.testing.assert_array_equal(full["hr"], noise(2))
    assert torch.equal(full["lr"], torch.cat([means(noise(each)) for each in (2, 1, 0)]))
    # a place of two dates shows the latest one in the place of the third
    assert torch.equal(short["lr"], torch.cat([means(noise(each)) for each in (11, 10, 11)]))


def test_all_dates_of_a_crop_show_one_place_however_it_is_turned(places, tmp_path):
    for path in tmp_path.rglob("*.tif"):
        write(path, noise(0))
    source = DatedFolder(**places)
    for position in range(10):
        sample = source.training[position]
        first, *others = sample["lr"].split(2)
        assert all(torch.equal(first, other) for other in others)
        assert torch.equal(first, means(sample["hr"].numpy()))
        assert torch.equal(sample["lr"], source.training[position]["lr"])


def test_pixels_hidden_in_a_date_show_the_reference_and_hide_nothing(places, tmp_path):
    earlier = noise(1)
    earlier[:, 4:8, 4:8] = 0
    write(tmp_path / "a" / "2024-02-01.tif", earlier)
    sample = DatedFolder(**places).test[0]
    assert "valid" not in sample
    expected = np.where(earlier == 0, noise(2), noise(1))
    assert torch.equal(sample["lr"][2:4], means(expected))


def test_a_date_whose_pixels_lie_beside_is_resampled(places, tmp_path):
    rows, columns = np.indices((32, 40))
    ramp = 1000 + 10 * np.stack([rows, columns])
    write(tmp_path / "a" / "2024-03-01.tif", ramp)
    moved = 1000 + 10 * np.stack([rows + 0.5, columns + 0.5])
    write(tmp_path / "a" / "2024-02-01.tif", moved, PLACE @ Affine.translation(0.5, 0.5))
    lr = DatedFolder(**places).test[0]["lr"][:, 2:-2, 2:-2]
    torch.testing.assert_close(lr[2:4], lr[:2])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dates": 1}, "dates is 1; give a whole number >= 2"),
        ({"name": "{place}"}, r"data\.name is '\{place\}'"),
    ],
)
def test_settings_without_dates_are_refused(places, settings, message):
    with pytest.raises(Mistake, match=message):
        DatedFolder(**{**places, **settings})
