from dataclasses import replace

import nibabel
import numpy as np
import pytest
import torch
from model_examples import model
from prediction_examples import resolver

from srlab.generators import Residual, receptive_field
from srlab.io.array.memory import ArrayReader, ArrayWriter
from srlab.prediction import plan_tiles, super_resolve

REACH = 6
RANDOM = np.random.default_rng(0)


def network(across):
    """A network that sees 5 pixels far, whose zero-initialised tail got weights."""
    torch.manual_seed(0)
    sizes = {"in_channels": 1, "out_channels": 1, "channels": 4, "blocks": 1}
    generator = Residual(scale=(3, 1), spatial_dims=2, **sizes)
    for parameter in generator.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    assert max(receptive_field(generator)) <= REACH
    made = resolver(generator, top=1)
    made.card = replace(made.card, across=across)
    return made


def resolved(network, volume, shape, **settings):
    reader, writer = ArrayReader(volume), ArrayWriter(1, shape)
    super_resolve(network, reader, writer, plan=plan_tiles(network, reader, **settings))
    return writer.array


def by_hand(network, volume):
    """The mean of both ways to cut ``(z, y, x)`` into planes with z as their first axis."""
    over_y = [network(torch.from_numpy(volume[None, None, :, y]))[0, 0] for y in range(20)]
    over_x = [network(torch.from_numpy(volume[None, None, :, :, x]))[0, 0] for x in range(25)]
    return (torch.stack(over_y, dim=1) + torch.stack(over_x, dim=2)).numpy() / 2


@pytest.mark.parametrize("settings", [{}, {"tile": 16, "overlap": REACH}])
def test_volume_is_the_mean_of_its_planes_of_both_ways(settings):
    volume = RANDOM.random((9, 20, 25), np.float32)
    sr = resolved(network("z"), volume[None], (27, 20, 25), **settings)[0]
    np.testing.assert_allclose(sr, by_hand(network("z"), volume), rtol=0, atol=1e-4)


def test_thick_axis_may_be_any():
    volume = RANDOM.random((1, 2, 9, 20, 25), np.float32)
    expected = resolved(network("z"), volume[:, 1], (27, 20, 25))
    for axis, name in enumerate("zyx", start=1):
        turned = np.moveaxis(volume, 2, axis + 1)
        shape = tuple(np.moveaxis(np.empty((2, 27, 20, 25)), 1, axis).shape)
        series = resolved(network(name), turned, shape)
        back = np.moveaxis(series, axis + 1, 2)[:, 1]
        np.testing.assert_allclose(back, expected, rtol=0, atol=1e-4)


def test_what_is_missing_stays_missing_and_touches_nothing_else():
    volume = RANDOM.random((1, 9, 20, 25), np.float32)
    volume[0, 4, 5:7, 3] = np.nan
    sr = resolved(network("z"), volume, (27, 20, 25))
    missing = np.repeat(np.isnan(volume), 3, axis=1)
    np.testing.assert_array_equal(np.isnan(sr), missing)


AFFINE = np.array([[-2, 0.3, 0, 90], [0.2, 2, -0.4, -60], [0, 0.5, 6, -20], [0, 0, 0, 1.0]])


def predicted(command, tmp_path, spacings):
    image = nibabel.Nifti1Image(RANDOM.integers(0, 99, (12, 10, 8)).astype(np.int16), AFFINE)
    image.header["pixdim"][1:4] = spacings
    nibabel.save(image, tmp_path / "in.nii.gz")
    made = model(scale=(3, 1), in_channels=1, out_channels=1)
    first = made.card.axes[0]
    made.card = replace(made.card, axes=(replace(first, spacing=None),) * 2, bands=(1,), across="z")
    made.save(tmp_path / "m.safetensors")
    return command("predict", "model=m.safetensors", "input=in.nii.gz", "output=out.nii.gz")


def test_nifti_keeps_its_corners(command, tmp_path):
    assert predicted(command, tmp_path, [2, 2, 6]).error == ""
    before, after = (nibabel.load(tmp_path / name) for name in ("in.nii.gz", "out.nii.gz"))
    assert after.shape == (12, 10, 24)
    for corner in ([0, 0, 0], [1, 1, 1]):
        old = before.affine @ [*(np.array(corner) * before.shape - 0.5), 1]
        new = after.affine @ [*(np.array(corner) * after.shape - 0.5), 1]
        np.testing.assert_allclose(new, old, atol=0.01)


def test_volume_whose_slices_are_closer_is_refused(command, tmp_path):
    outcome = predicted(command, tmp_path, [2, 2, 4])
    assert outcome.code == 1
    assert "along z are 2 times as far apart as the pixels along y, and 3 times" in outcome.error
