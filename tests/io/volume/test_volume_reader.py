import gzip
import pickle

import nibabel
import numpy as np
import pytest

from srlab.io import open_reader
from srlab.mistakes import Mistake

AFFINE = np.array([[-2, 0.3, 0, 90], [0.2, 1.5, -0.4, -60], [0, 0.5, 3, -20], [0, 0, 0, 1.0]])


def saved(path, *, shape=(9, 8, 7), dtype=np.int16, slope=None, step=0, kind=nibabel.Nifti1Image):
    values = np.random.default_rng(0).integers(0, 100, shape).astype(dtype)
    image = kind(values, AFFINE)
    if slope is not None:
        image.header.set_slope_inter(*slope)
    if step:
        image.header["pixdim"][4] = step
        image.header.set_xyzt_units("mm", "msec")
    nibabel.save(image, path)
    return path


def reference(path):
    """Return ``(C, T, D, H, W)`` as nibabel reads it whole."""
    values = np.asarray(nibabel.load(path).dataobj, dtype=np.float64)
    return values.reshape((*values.shape, 1, 1)[:5]).T.astype(np.float32)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("a.nii", {"dtype": np.uint8}),
        ("a.nii.gz", {"slope": (0.5, -3.0)}),
        ("a.nii", {"dtype": ">f8", "shape": (5, 4, 3, 6)}),
        ("a.nii.gz", {"shape": (5, 4, 3, 2, 3)}),
        ("a.nii", {"shape": (5, 4, 3, 1, 2), "kind": nibabel.Nifti2Image}),
        ("a.mgz", {"dtype": np.float32, "kind": nibabel.MGHImage}),
        ("a.hdr", {"kind": nibabel.Nifti1Pair}),
    ],
)
def test_windows_equal_nibabels(tmp_path, name, given):
    path = saved(tmp_path / name, **given)
    reader = pickle.loads(pickle.dumps(open_reader(path)))
    expected = reference(path)
    shape = reader.description.shape
    if len(shape) == 3:
        expected = expected[:, 0]
    assert expected.shape == (len(reader.description.channels), *shape)
    window = tuple(slice(size // 3, size // 3 + max(size // 2, 1)) for size in shape)
    got = reader.read(window)
    assert got.flags.c_contiguous
    np.testing.assert_array_equal(got, expected[(slice(None), *window)])


@pytest.mark.parametrize("kind", [nibabel.Nifti1Pair, nibabel.Nifti2Pair, nibabel.AnalyzeImage])
def test_the_header_of_a_volume_in_two_files_is_to_be_named(tmp_path, kind):
    values = np.zeros((4, 5, 6), np.int16)
    nibabel.save(kind(values, np.eye(4)), tmp_path / "a.hdr")
    assert open_reader(tmp_path / "a.hdr").description.shape == (6, 5, 4)
    with pytest.raises(Mistake, match=r"a.img holds the voxels of a volume .*: name a.hdr."):
        open_reader(tmp_path / "a.img")


def test_values_that_are_not_finite_are_no_data(tmp_path):
    values = np.array([1, np.nan, np.inf, -np.inf], np.float32).reshape(4, 1, 1)
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / "a.nii")
    read = open_reader(tmp_path / "a.nii").read((slice(0, 1), slice(0, 1), slice(0, 4)))
    np.testing.assert_array_equal(read.ravel(), [1, np.nan, np.nan, np.nan])


def test_description_says_what_the_header_says(tmp_path):
    path = saved(tmp_path / "a.nii.gz", shape=(5, 4, 3, 2), slope=(0.5, -3.0), step=2500)
    description = open_reader(path).description
    names = [(axis.name, axis.unit) for axis in description.axes]
    assert names == [("t", "ms"), ("z", "mm"), ("y", "mm"), ("x", "mm")]
    sizes = [axis.spacing for axis in description.axes]
    np.testing.assert_allclose(sizes, [2500, *nibabel.affines.voxel_sizes(AFFINE)[::-1]], rtol=1e-6)
    (channel,) = description.channels
    assert (channel.dtype, channel.scale, channel.offset) == (np.int16, 0.5, -3.0)
    np.testing.assert_allclose(description.geometry.affine, AFFINE[:3], atol=1e-5)


def test_channels_are_chosen_by_number(tmp_path):
    path = saved(tmp_path / "a.nii", shape=(5, 4, 3, 1, 3))
    whole = (slice(0, 3), slice(0, 4), slice(0, 5))
    read = open_reader(path, bands=[3, 1]).read(whole)
    np.testing.assert_array_equal(read, reference(path)[[2, 0], 0])


def cut(path, size):
    path.write_bytes(path.read_bytes()[:size])


def lying(path):
    """Make the header claim a cube of 10 000 voxels a side."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rb") as file:
        content = bytearray(file.read())
    content[42:48] = np.array([10_000] * 3, "<i2").tobytes()
    with opened(path, "wb") as file:
        file.write(bytes(content))


def read_whole(path):
    reader = open_reader(path)
    return reader.read(tuple(slice(0, size) for size in reader.description.shape))


HOSTILE = {
    "empty": (lambda path: cut(path, 0), "is not a volume that nibabel can read"),
    "cut in the header": (lambda path: cut(path, 100), "is not a volume that nibabel can read"),
    "cut": (lambda path: cut(path, 700), "truncated or damaged"),
    "text": (lambda path: path.write_text("hello " * 200), "is not a volume that nibabel can read"),
    "lying": (lying, "truncated or damaged: its header says"),
}


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_hostile_files_are_told_in_a_line(tmp_path, ending):
    for what in HOSTILE:
        harm, message = HOSTILE[what]
        path = saved(tmp_path / f"harmed{ending}", shape=(20, 20, 20))
        harm(path)
        with pytest.raises(Mistake, match=message) as caught:
            read_whole(path)
        assert "harmed" in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dtype", [np.complex64, np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])])
def test_complex_numbers_and_colours_are_refused(tmp_path, dtype):
    image = nibabel.Nifti1Image(np.zeros((3, 3, 3), dtype), np.eye(4))
    nibabel.save(image, tmp_path / "a.nii")
    with pytest.raises(Mistake, match="complex or colours: write a file of real numbers first"):
        open_reader(tmp_path / "a.nii")
