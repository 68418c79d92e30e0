"""Masks of images: found, applied in training, validation and statistics, or told to be missing."""

import re

import numpy as np
import pytest
import rasterio

from srlab.data import Folder, PairedFolder
from srlab.data.splits import WholeFiles
from srlab.mistakes import Mistake

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

COMMON = {
    "suffixes": [".tif"],
    "bands": [1],
    "scale": 2,
    "spatial_dims": 2,
    "crop_size": 8,
    "valid_share": 0.0,
    "weighting": "none",
    "symmetries": ["flips", "quarter_turns"],
    "hidden_classes": [3, 8],
    "channel_dropout": 0.0,
    "intensity_jitter": 0.0,
    "split": WholeFiles(fraction=0.25),
    "validation_size": 8,
    "validation_views": None,
    "test_size": None,
    "unit": "DN",
    "data_range": 65535.0,
    "seed": 0,
}


def halved(hr, *, generator):
    return hr[..., ::2, ::2]


def folder(root, **settings):
    return Folder(root=str(root), degradation=halved, **{**COMMON, **settings})


def write(path, *bands, names=()):
    path.parent.mkdir(exist_ok=True)
    height, width = bands[0].shape
    profile = {"driver": "GTiff", "count": len(bands), "dtype": "uint16"}
    with rasterio.open(path, "w", height=height, width=width, **profile) as file:
        file.write(np.stack(bands).astype(np.uint16))
        if names:
            file.descriptions = names


def cloudy(number, *shape):
    """Numbered pixels, and classes on a grid of half as many, of which 3 and 8 are to be hidden."""
    random = np.random.default_rng(number)
    image = 1 + np.arange(np.prod(shape)).reshape(shape) + 1000 * number
    classes = random.choice([2, 3, 4, 8], [side // 2 for side in shape])
    return image, classes


def shown_values(image, classes):
    fine = classes.repeat(2, axis=0).repeat(2, axis=1)
    return set(image[~np.isin(fine, [3, 8])].astype(float).tolist())


def values(samples):
    """The values of HR that count."""
    seen = set()
    for sample in samples:
        seen |= set(sample["hr"][sample["valid"]].tolist())
    return seen


def test_files_beside_the_images_hide_in_training_validation_and_statistics(tmp_path):
    made = [cloudy(number, 24, 24) for number in range(4)]
    for number, (image, classes) in enumerate(made):
        write(tmp_path / f"{number}.tif", image)
        write(tmp_path / f"{number}_SCL.tif", classes)
    data = folder(tmp_path, mask="{name}_SCL.tif", crop_size=22)
    assert len(data.readers) == 4
    expected = [shown_values(*each) for each in made]
    trained, held_out = values(data.training[at] for at in range(300)), values(data.validation)
    assert [held_out] == [each for each in expected if each & held_out]
    assert trained == set().union(*expected) - held_out
    assert data.statistics().count.tolist() == [len(trained)]
    assert values(data.test) == set().union(*expected)


def test_a_band_of_the_same_file_is_a_mask(tmp_path):
    image, classes = cloudy(0, 32, 24)
    fine = classes.repeat(2, axis=0).repeat(2, axis=1)
    write(tmp_path / "a.tif", image, fine, names=("B02", "classes"))
    for mask in ("classes", 2):
        data = folder(tmp_path, mask=mask, bands=["B02"])
        assert values(data.test) == shown_values(image, classes)


def test_masks_in_another_folder_are_of_hr(tmp_path):
    for number in range(4):
        image, classes = cloudy(number, 24, 24)
        write(tmp_path / "hr" / f"{number}.tif", image)
        write(tmp_path / "lr" / f"{number}.tif", image[::2, ::2])
        write(tmp_path / "masks" / f"{number}.tif", classes)
    roots = {"root": str(tmp_path / "hr"), "lr_root": str(tmp_path / "lr")}
    names = {"lr_name": "{name}", "hr_name": "{name}"}
    data = PairedFolder(**COMMON, **roots, **names, mask="../masks/{name}.tif")
    expected = set().union(*(shown_values(*cloudy(number, 24, 24)) for number in range(4)))
    assert values(data.test) == expected


def test_statistics_of_scenes_follow_what_is_hidden(tmp_path):
    image, classes = cloudy(0, 32, 24)
    write(tmp_path / "a.tif", image)
    write(tmp_path / "a_SCL.tif", classes)
    counts = []
    for hidden in ([3, 8], [3], [2, 3, 8]):
        data = folder(tmp_path, mask="{name}_SCL.tif", hidden_classes=hidden)
        data.gather_scenes(tmp_path / "scenes.json")
        counts.append(float(data.test[0]["scene"][1, 0]))
    assert counts[0] == max(shown_values(image, classes))
    assert len(set(counts)) > 1


def test_an_image_without_a_mask_is_left_out_and_named(tmp_path, caplog):
    for number in range(4):
        image, classes = cloudy(number, 24, 24)
        write(tmp_path / f"{number}.tif", image)
        if number != 2:
            write(tmp_path / f"{number}_SCL.tif", classes)
    data = folder(tmp_path, mask="{name}_SCL.tif")
    assert len(data.readers) == 3
    told = f"the mask {tmp_path}/2_SCL.tif of {tmp_path}/2.tif does not exist: add it, or"
    assert (
        f"{tmp_path}/2.tif is left out, 1 of 4 files: data.mask={{name}}_SCL.tif: {told}"
        in caplog.text
    )
    with pytest.raises(Mistake, match=re.escape(told)):
        folder(tmp_path / "2.tif", mask="{name}_SCL.tif")
    with pytest.raises(Mistake, match=r"data.mask=SCL: .* has no band named 'SCL': choose from 1"):
        folder(tmp_path / "2.tif", mask="SCL")


def test_a_mask_that_hides_nothing_is_refused(tmp_path):
    message = "data.mask is SCL and data.hidden_classes is empty, so nothing would be hidden"
    with pytest.raises(Mistake, match=message):
        folder(tmp_path, mask="SCL", hidden_classes=[])
