from dataclasses import replace

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from srlab.io import Axis, Channel, Description, Provenance, create_writer, open_reader
from srlab.io.volume.header import described, nifti_header
from srlab.mistakes import Mistake

PROVENANCE = Provenance("srlab 1", "abc", settings={"tile": [8, 8, 8]})


def written(path, description, values, *, step=3):
    """Write in blocks of `step` along the last axis, the last one first."""
    writer = create_writer(path, description, provenance=PROVENANCE, overwrite=True)
    writer.prepare()
    for start in reversed(range(0, description.shape[-1], step)):
        span = slice(start, min(start + step, description.shape[-1]))
        window = (*(slice(0, size) for size in description.shape[:-1]), span)
        writer.write(window, np.ascontiguousarray(values[..., span]))
    writer.finish()
    return path


def whole(reader):
    return reader.read(tuple(slice(0, size) for size in reader.description.shape))


@pytest.mark.parametrize(
    ("ending", "dtype", "shape"),
    [
        (".nii", np.int16, (7, 6, 5)),
        (".nii.gz", np.float64, (7, 6, 5, 3)),
        (".nii.gz", np.uint8, (7, 6, 5, 1, 2)),
    ],
)
def test_round_trip_is_lossless(tmp_path, ending, dtype, shape):
    values = np.random.default_rng(0).integers(0, 100, shape).astype(dtype)
    image = nibabel.Nifti1Image(values, None)
    image.set_sform(np.array([[-2, 0.3, 0, 90], [0, 1, 0, 1], [0.1, 0, 3, -2], [0, 0, 0, 1.0]]), 3)
    image.set_qform(np.diag([-2, 1, 3, 1.0]), 1)
    image.header["pixdim"][1:4] = 2, 1, 3
    image.header.set_xyzt_units("mm", "sec")
    if dtype == np.int16:
        image.header.set_slope_inter(0.25, 5)
    nibabel.save(image, tmp_path / f"in{ending}")

    reader = open_reader(tmp_path / f"in{ending}")
    out = written(tmp_path / f"out{ending}", reader.description, whole(reader))
    again = open_reader(out)
    assert again.description == reader.description
    np.testing.assert_array_equal(whole(again), whole(reader))
    before, after = (nibabel.load(path) for path in (tmp_path / f"in{ending}", out))
    assert after.shape == before.shape
    assert after.get_data_dtype() == before.get_data_dtype()
    for form in ("sform", "qform"):
        theirs, code = getattr(before, f"get_{form}")(coded=True)
        ours, our_code = getattr(after, f"get_{form}")(coded=True)
        np.testing.assert_array_equal(ours, theirs)
        assert our_code == code


@pytest.mark.parametrize(("slope", "intercept"), [(1, 0), (0.25, -6)])
def test_every_type_returns_as_it_was_stored(tmp_path, slope, intercept):
    for dtype in ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]:
        low, high = -(2.0**20), 2.0**20  # which float32 holds with two more bits
        if dtype[0] in "iu":
            low, high = max(low, np.iinfo(dtype).min), min(high, np.iinfo(dtype).max)
        stored = np.random.default_rng(0).integers(int(low), int(high) + 1, (5, 4, 6)).astype(dtype)
        stored[0, 0, :2] = low, high
        image = nibabel.Nifti1Image(stored, np.eye(4), dtype=dtype)
        image.header.set_slope_inter(slope, intercept)
        nibabel.save(image, tmp_path / "in.nii")
        np.testing.assert_array_equal(
            nibabel.load(tmp_path / "in.nii").dataobj.get_unscaled(), stored
        )

        reader = open_reader(tmp_path / "in.nii")
        after = nibabel.load(written(tmp_path / "out.nii", reader.description, whole(reader)))
        assert after.get_data_dtype() == np.dtype(dtype)
        assert (after.dataobj.slope, after.dataobj.inter) == (slope, intercept)
        np.testing.assert_array_equal(after.dataobj.get_unscaled(), stored)


@settings(max_examples=40, deadline=None)
@given(
    angles=st.tuples(*[st.floats(-180, 180)] * 3),
    spacing=st.tuples(*[st.floats(0.2, 5)] * 3),
    mirrored=st.booleans(),
    only=st.sampled_from(["sform", "qform", "both"]),
    scale=st.tuples(*[st.integers(1, 4)] * 3),
)
def test_outer_corners_stay_where_they_were(angles, spacing, mirrored, only, scale):
    rotation = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    signs = np.array([1, 1, -1 if mirrored else 1])
    affine = np.eye(4)
    affine[:3, :3] = rotation * (np.array(spacing) * signs)
    affine[:3, 3] = 80, -120, 33
    image = nibabel.Nifti1Image(np.zeros((6, 5, 4), np.float32), affine)
    image.set_sform(affine, 1 if only != "qform" else 0)
    image.set_qform(affine, 2 if only != "sform" else 0)

    stored = nibabel.Nifti1Image.from_bytes(image.to_bytes())
    finer = described(stored, "a.nii").scaled(scale)
    header = nifti_header(finer, finer.geometry, PROVENANCE)
    assert header.get_data_shape() == tuple(
        size * factor for size, factor in zip((6, 5, 4), reversed(scale), strict=True)
    )
    for form in ("sform", "qform"):
        theirs, code = getattr(image, f"get_{form}")(coded=True)
        ours, our_code = getattr(header, f"get_{form}")(coded=True)
        assert our_code == code
        if not code:
            continue
        for corner in (np.zeros(3), np.ones(3)):
            before = theirs @ [*(corner * image.shape - 0.5), 1]
            after = ours @ [*(corner * header.get_data_shape() - 0.5), 1]
            np.testing.assert_allclose(after, before, atol=0.01)


def test_long_axes_make_a_nifti_2(tmp_path):
    axes = (Axis("z"), Axis("y"), Axis("x"))
    description = Description((2, 1, 40_000), axes, (Channel("1", dtype=np.dtype(np.uint8)),))
    values = np.random.default_rng(0).integers(0, 9, (1, 2, 1, 40_000)).astype(np.float32)
    out = written(tmp_path / "a.nii", description, values, step=9_999)
    image = nibabel.load(out)
    assert isinstance(image, nibabel.Nifti2Image)
    np.testing.assert_array_equal(np.asarray(image.dataobj).T, values[0])


def test_the_header_names_what_made_the_file(tmp_path):
    axes = (Axis("z"), Axis("y"), Axis("x"))
    description = Description((2, 3, 4), axes, (Channel("1"),))
    out = written(tmp_path / "a.nii.gz", description, np.zeros((1, 2, 3, 4), np.float32))
    (comment,) = nibabel.load(out).header.extensions
    assert "abc" in comment.get_content().decode()


def test_compressed_bytes_depend_on_the_voxels_alone(tmp_path):
    axes = (Axis("z"), Axis("y"), Axis("x"))
    description = Description((5, 6, 7), axes, (Channel("1"),))
    values = np.random.default_rng(0).random((1, 5, 6, 7)).astype(np.float32)
    first = written(tmp_path / "a.nii.gz", description, values, step=2)
    second = written(tmp_path / "b.nii.gz", description, values, step=7)
    assert first.read_bytes() == second.read_bytes()


def test_what_a_nifti_cannot_hold_is_refused(tmp_path):
    flat = Description((3, 4), (Axis("y"), Axis("x")), (Channel("1"),))
    with pytest.raises(Mistake, match="holds volumes, and the image has 2 axes"):
        create_writer(tmp_path / "a.nii", flat, provenance=PROVENANCE)
    axes = (Axis("z"), Axis("y"), Axis("x"))
    mixed = (Channel("1"), replace(Channel("2"), scale=2.0))
    with pytest.raises(Mistake, match="holds one slope and intercept, and the channels have"):
        create_writer(
            tmp_path / "a.nii", Description((3, 4, 5), axes, mixed), provenance=PROVENANCE
        )
