"""LR and HR that were both measured: which belong together, and that a pair shows one place."""

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine

from srlab.data import PairedFolder
from srlab.data.splits import WholeFiles
from srlab.io.guided import depth_to_space
from srlab.mistakes import Mistake

SETTINGS = {
    "lr_name": "{name}x2",
    "hr_name": "{name}",
    "suffixes": [".tif"],
    "bands": [1, 2],
    "guides": [],
    "guide_root": None,
    "guide_name": "{name}",
    "guide_ratio": 2,
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
    "validation_size": 9,
    "validation_views": 4,
    "test_size": None,
    "unit": "DN",
    "data_range": 65535.0,
    "seed": 0,
}


def write(path, array, *, metres=None, names=None, nodata=None):
    path.parent.mkdir(exist_ok=True)
    shape = {"count": len(array), "height": array.shape[1], "width": array.shape[2]}
    place = {}
    if metres:
        place = {"crs": "EPSG:32632", "transform": Affine(metres, 0, 5e5, 0, -metres, 5e6)}
    with rasterio.open(
        path, "w", driver="GTiff", dtype="uint16", nodata=nodata, **shape, **place
    ) as file:
        file.write(array.astype(np.uint16))
        if names:
            file.descriptions = names


def hr_image(number, shape=(30, 26)):
    return np.random.default_rng(number).integers(1, 60_000, (2, *shape))


def folders(path, count=4, **options):
    """HR of noise, and as LR every other pixel plus one, so that a pair can be told."""
    for number in range(count):
        hr = hr_image(number)
        metres = options.get("metres")
        write(path / "hr" / f"{number}.tif", hr, **options)
        options_lr = {**options, "metres": metres and 2 * metres}
        write(path / "lr" / f"{number}x2.tif", hr[:, ::2, ::2] + 1, **options_lr)
    return {"lr_root": str(path / "lr"), "root": str(path / "hr"), **SETTINGS}


def picked(sample):
    """Of HR the pixels that LR is made of, one way round or another."""
    hr, lr = sample["hr"].numpy(), sample["lr"].numpy() - 1
    corners = [hr[:, i::2, j::2] for i in (0, 1) for j in (0, 1)]
    return any(np.array_equal(lr, corner) for corner in corners)


def test_guides_of_measured_lr_lie_on_hr_however_they_are_turned(tmp_path):
    given = folders(tmp_path)
    source = PairedFolder(**given | {"guides": [2], "guide_root": given["root"]})
    assert source.channel_names == ("1", "2", "2[0,0]", "2[0,1]", "2[1,0]", "2[1,1]")
    for position in range(20):
        sample = source.training[position]
        lr, hr = sample["lr"].numpy(), sample["hr"].numpy()
        assert picked({"lr": sample["lr"][:2], "hr": sample["hr"]})
        np.testing.assert_array_equal(depth_to_space(lr[2:], (2, 2))[0], hr[1])
    assert len(source.statistics().count) == 6


def test_crops_of_both_show_the_same_place_however_they_are_turned(tmp_path):
    source = PairedFolder(**folders(tmp_path))
    seen = set()
    for position in range(40):
        sample = source.training[position]
        assert sample["hr"].shape == (2, 8, 8)
        assert sample["lr"].shape == (2, 4, 4)
        assert picked(sample)
        seen.add(sample["hr"].numpy().tobytes())
        assert torch.equal(sample["lr"], source.training[position]["lr"])
    assert len(seen) > 30


def test_views_of_held_out_pairs_and_of_all_lie_on_whole_lr_pixels(tmp_path):
    source = PairedFolder(**folders(tmp_path))
    assert len(source.validation) == 4
    for position in range(4):
        sample = source.validation[position]
        assert sample["hr"].shape == (2, 8, 8)  # 9 is no multiple of the scale
        assert picked(sample)
    assert len(source.test) == 4
    for number in range(4):
        np.testing.assert_array_equal(source.test[number]["hr"], hr_image(number))


def test_a_single_pair_is_cut_between_lr_pixels(tmp_path):
    settings = {**folders(tmp_path, count=1), "split": WholeFiles(fraction=0.3)}
    source = PairedFolder(**settings)
    training, validation = source.training.regions, source.validation.regions
    assert all(region.window[0].start % 2 == 0 for region in validation)
    assert training[0].window[0].stop <= validation[0].window[0].start
    assert picked(source.validation[0])


def test_pixels_missing_in_either_are_hidden_and_filled(tmp_path):
    settings = folders(tmp_path, count=2, nodata=0)
    hr = hr_image(1)
    lr = hr[:, ::2, ::2] + 1
    hr[0, 5, 6] = 0
    lr[1, 10, 3] = 0
    write(tmp_path / "hr" / "1.tif", hr, nodata=0)
    write(tmp_path / "lr" / "1x2.tif", lr, nodata=0)
    sample = PairedFolder(**settings).test[1]
    expected = np.ones((1, 30, 26), bool)
    expected[0, 5, 6] = False
    expected[0, 20:22, 6:8] = False
    np.testing.assert_array_equal(sample["valid"].numpy(), expected)
    assert sample["lr"].isfinite().all()
    assert sample["hr"].isfinite().all()


def test_pixel_sizes_are_those_of_lr_for_the_card_and_of_hr_for_scores(tmp_path):
    source = PairedFolder(**folders(tmp_path, metres=10))
    assert [axis.spacing for axis in source.axes] == [20, 20]
    assert [axis.spacing for axis in source.hr_axes] == [10, 10]


def test_files_without_a_partner_are_named_and_left_out(tmp_path, caplog):
    settings = folders(tmp_path, count=2)
    write(tmp_path / "lr" / "oddx2.tif", hr_image(7)[:, ::2, ::2])
    write(tmp_path / "lr" / "stray.tif", hr_image(7)[:, ::2, ::2])
    write(tmp_path / "hr" / "even.tif", hr_image(8))
    source = PairedFolder(**settings)
    assert len(source.readers) == 2
    assert "2 LR files have no partner: oddx2.tif, stray.tif" in caplog.text
    assert "1 HR files have no partner: even.tif" in caplog.text


def other_size(path):
    write(path / "hr" / "2.tif", hr_image(2, (30, 28)))


def other_order(path):
    write(path / "hr" / "0.tif", hr_image(0), names=("B4", "B8"))
    write(path / "lr" / "0x2.tif", hr_image(0)[:, ::2, ::2], names=("B8", "B4"))


def twice(path):
    write(path / "hr" / "inner" / "0.tif", hr_image(0))


@pytest.mark.parametrize(
    ("spoil", "settings", "message"),
    [
        (other_size, {}, r"2\.tif has \(30, 28\) pixels and .*2x2\.tif has \(15, 13\); at scale"),
        (other_order, {}, "has the bands B4, B8 and .* B8, B4, in another order"),
        (twice, {}, r"both have the name '0' by data\.hr_name"),
        (None, {"scale": 4, "crop_size": 16}, r"at scale \(4, 4\) HR must have \(60, 52\)"),
        (None, {"lr_name": "x2"}, r"data\.lr_name is 'x2'; it must hold \{name\}"),
        (None, {"lr_name": "{name}_lr"}, r"no LR file belongs to any HR file: .* there are none"),
    ],
)
def test_what_does_not_fit_together_is_refused(tmp_path, spoil, settings, message):
    values = {**folders(tmp_path), **settings}
    (tmp_path / "hr" / "inner").mkdir()
    if spoil:
        spoil(tmp_path)
    with pytest.raises(Mistake, match=message):
        PairedFolder(**values)
