"""Pairs with guides: LR and its guides show the ground of HR, however they are turned."""

import numpy as np
import pytest
import torch
from skimage.transform import downscale_local_mean
from test_paired_folder import SETTINGS, write

from srlab.data import GuidedFolder
from srlab.data.pairing.guided import GuidedPairing
from srlab.data.pairing.pairs import Pairing
from srlab.data.places.cropping import Cropping
from srlab.data.places.crops import RandomCrops
from srlab.data.places.regions import Region
from srlab.degradations import Area
from srlab.io.array import ArrayReader
from srlab.io.guided import GuidedReader, Layout, depth_to_space
from srlab.mistakes import Mistake

AREA = Area(scale=2)


def files(path, names=("a", "b", "c"), *, guide_name="{}_pan"):
    """Guides of noise, and as images the means of their cells."""
    for number, name in enumerate(names):
        cells = np.random.default_rng(number).integers(1, 9000, (2, 24, 26))
        fine = cells.repeat(2, axis=1).repeat(2, axis=2)
        write(path / "ms" / f"{name}.tif", cells, names=("B05", "B11"))
        write(path / "pan" / f"{guide_name.format(name)}.tif", fine, names=("B02", "B03"))
    kept = {key: value for key, value in SETTINGS.items() if not key.endswith("_name")}
    return kept | {
        "root": str(path / "ms"),
        "guide_root": str(path / "pan"),
        "name": "{name}",
        "guide_name": "{name}_pan",
        "guides": [1, 2],
        "guide_ratio": 2,
        "degradation": AREA,
        "guide_degradation": AREA,
    }


def test_guides_of_lr_put_in_place_show_hr_however_they_are_turned(tmp_path):
    source = GuidedFolder(**files(tmp_path))
    assert source.channel_names[:3] == ("B05", "B11", "B02[0,0]")
    seen = set()
    for position in range(40):
        sample = source.training[position]
        lr, hr = sample["lr"].numpy(), sample["hr"].numpy()
        assert lr.shape == (10, 4, 4)
        np.testing.assert_allclose(lr[:2], downscale_local_mean(hr, (1, 2, 2)), rtol=1e-5)
        # Halved, the guide of cells is the image of cells.
        np.testing.assert_array_equal(depth_to_space(lr[2:], (2, 2)), hr)
        seen.add(hr.tobytes())
        assert torch.equal(sample["lr"], source.training[position]["lr"])
    assert len(seen) > 30


def test_training_sees_the_channels_that_a_model_is_given(tmp_path):
    """The order of LR's channels is the reader's, also where guide and scale differ."""
    fine = np.random.default_rng(0).random((1, 32, 32), dtype=np.float32)
    image = fine.reshape(1, 16, 2, 16, 2).mean((2, 4))
    reader = GuidedReader(ArrayReader(image), ArrayReader(fine), ratio=(2, 2))
    pairing = GuidedPairing(Pairing(Area(scale=4), (4, 4), 0), Area(scale=4), Layout(1, (2, 2)))
    sample = RandomCrops([Region.whole(reader)], pairing, Cropping(crop_size=16))[0]
    small = [ArrayReader(downscale_local_mean(each, (1, 4, 4))) for each in (image, fine)]
    expected = GuidedReader(*small, ratio=(2, 2)).read((slice(0, 4), slice(0, 4)))
    np.testing.assert_allclose(sample["lr"].numpy(), expected, rtol=1e-5)


def test_hole_in_a_guide_hides_the_pixel_around_it(tmp_path):
    fine = np.ones((1, 16, 16), np.float32)
    fine[0, 5, 6] = np.nan
    reader = GuidedReader(ArrayReader(np.ones((1, 8, 8))), ArrayReader(fine), ratio=(2, 2))
    pairing = GuidedPairing(Pairing(AREA, (2, 2), 0), AREA, Layout(1, (2, 2)))
    sample = RandomCrops([Region.whole(reader)], pairing, Cropping(crop_size=8))[0]
    assert np.argwhere(~sample["valid"].numpy()).tolist() == [[0, 2, 3]]
    assert torch.equal(sample["lr"], torch.ones(5, 4, 4))


def test_single_files_belong_together_whatever_their_names(tmp_path):
    given = files(tmp_path, ["scene"], guide_name="other")
    assert len(GuidedFolder(**given).test) == 1


def test_files_that_do_not_go_together_are_named(tmp_path):
    given = files(tmp_path)
    with pytest.raises(Mistake, match=r"no image file belongs to any guide file: by data\.name="):
        GuidedFolder(**given | {"guide_name": "{name}_b8"})
    with pytest.raises(Mistake, match=r"data\.guide_root=.*nowhere does not exist"):
        GuidedFolder(**given | {"guide_root": str(tmp_path / "nowhere")})
    with pytest.raises(Mistake, match=r"data.guides is \[\]; name the finer bands"):
        GuidedFolder(**given | {"guides": []})
    with pytest.raises(Mistake, match=r"set data\.symmetries=\[flips\]"):
        GuidedFolder(**given | {"guide_ratio": [2, 4]})
    with pytest.raises(Mistake, match=r"at guide_ratio \(4, 4\) a guide has \(96, 104\)"):
        GuidedFolder(**given | {"guide_ratio": 4})


def test_classes_of_a_mask_hide_the_image_under_its_guides(tmp_path):
    settings = files(tmp_path)
    for name in "abc":
        classes = np.random.default_rng(5).integers(0, 4, (1, 12, 13))
        write(tmp_path / "masks" / f"{name}.tif", classes)
    hidden = settings | {"mask": "../masks/{name}.tif", "hidden_classes": [2]}
    sample = GuidedFolder(**hidden).test[0]
    fine = classes.repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_array_equal(sample["valid"].numpy(), fine != 2)
