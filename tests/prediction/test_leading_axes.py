import nibabel
import numpy as np
import pytest
from model_examples import model

from srlab.io.array.memory import ArrayReader, ArrayWriter
from srlab.prediction import plan_tiles, super_resolve


def small(scale):
    return model(scale=scale, in_channels=1, out_channels=1)


def resolved(network, image, shape, **settings):
    reader, writer = ArrayReader(image), ArrayWriter(1, shape)
    super_resolve(network, reader, writer, plan=plan_tiles(network, reader, **settings))
    return writer.array


@pytest.mark.parametrize("settings", [{}, {"tile": 16, "overlap": 6}])
def test_each_slice_of_a_volume_is_as_if_it_were_alone(settings):
    network = small((2, 3))
    volume = np.random.default_rng(0).random((1, 4, 30, 20), np.float32)
    volume[0, 2, 5:9, 3] = np.nan
    whole = resolved(network, volume, (4, 60, 60), **settings)
    for index in range(4):
        alone = resolved(network, volume[:, index], (60, 60), **settings)
        np.testing.assert_array_equal(whole[:, index], alone)


def test_each_volume_of_a_series_is_as_if_it_were_alone():
    network = small((2, 1, 2))
    series = np.random.default_rng(0).random((1, 3, 8, 10, 12), np.float32)
    whole = resolved(network, series, (3, 16, 10, 24))
    alone = resolved(network, series[:, 2], (16, 10, 24))
    np.testing.assert_array_equal(whole[:, 2], alone)


def test_a_series_of_volumes_is_predicted_into_a_file(tmp_path, command):
    affine = np.array([[-2, 0.3, 0, 90], [0.2, 1.5, -0.4, -60], [0, 0.5, 3, -20], [0, 0, 0, 1.0]])
    values = np.random.default_rng(0).integers(0, 99, (12, 10, 8, 3)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(values, affine), tmp_path / "in.nii.gz")
    small((2, 2, 2)).save(tmp_path / "m.safetensors")
    outcome = command(
        "predict",
        "model=m.safetensors",
        "input=in.nii.gz",
        "output=out.nii.gz",
        "bands=[1]",
        "force=[pixel_size]",
    )
    assert outcome.error == ""
    before, after = (nibabel.load(tmp_path / name) for name in ("in.nii.gz", "out.nii.gz"))
    assert after.shape == (24, 20, 16, 3)
    assert after.get_data_dtype() == np.int16
    for corner in ([0, 0, 0], [1, 1, 1]):
        old = before.affine @ [*(np.array(corner) * before.shape[:3] - 0.5), 1]
        new = after.affine @ [*(np.array(corner) * after.shape[:3] - 0.5), 1]
        np.testing.assert_allclose(new, old, atol=0.01)
