import logging
import pickle
import shutil

import nibabel
import numpy as np
import pytest
from dicom_files import (
    DIRECTIONS,
    FIRST,
    SPACING,
    STEP,
    position,
    save_enhanced,
    save_series,
    slices,
)
from pydicom.data import get_testdata_file

from srlab.data.finding.files import find_files
from srlab.io import Provenance, create_writer, open_reader
from srlab.mistakes import Mistake


def whole(reader):
    return reader.read(tuple(slice(0, size) for size in reader.description.shape))[0]


@pytest.mark.parametrize(
    ("dtype", "compress"), [(np.int16, False), (np.uint16, True), (np.uint8, False)]
)
def test_windows_hold_the_slices_in_their_order(tmp_path, dtype, compress):
    values = slices(dtype=dtype)
    folder = save_series(tmp_path / "a", values, compress=compress)
    reader = pickle.loads(pickle.dumps(open_reader(folder)))
    np.testing.assert_array_equal(whole(reader), values)
    got = reader.read((slice(1, 3), slice(2, 5), slice(0, 4)))
    np.testing.assert_array_equal(got[0], values[1:3, 2:5, 0:4])
    assert got.dtype == np.float32
    assert reader.description.dtype == dtype


def test_each_slice_has_its_own_slope(tmp_path):
    values, slopes = slices(), [1.0, 2.0, 0.5, 4.0, 8.0, 0.25]
    folder = save_series(tmp_path, values, RescaleSlope=slopes, RescaleIntercept=-5)
    reader = open_reader(folder)
    expected = values * np.array(slopes)[:, None, None] - 5
    np.testing.assert_array_equal(whole(reader), expected.astype(np.float32))
    assert reader.description.dtype == np.float32


def test_one_slope_stays_the_files(tmp_path):
    folder = save_series(tmp_path, slices(), RescaleSlope=2, RescaleIntercept=-1024)
    (channel,) = open_reader(folder).description.channels
    assert (channel.dtype, channel.scale, channel.offset) == (np.int16, 2.0, -1024.0)


def test_bright_low_values_are_turned_round(tmp_path):
    # GDCM, by which ITK reads, takes 4095 - value, too.
    values = slices(dtype=np.uint16)
    fields = {"PhotometricInterpretation": "MONOCHROME1", "BitsStored": 12, "HighBit": 11}
    np.testing.assert_array_equal(
        whole(open_reader(save_series(tmp_path, values, **fields))), 4095 - values.astype(int)
    )


def test_bits_that_hold_no_value_are_passed_over(tmp_path):
    values = slices(dtype=np.int16)
    above = np.int16(0b0101 << 12)
    folder = save_series(tmp_path, (values & 0x0FFF) | above, BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(whole(open_reader(folder)), values)


def test_voxels_lie_where_the_standard_says(tmp_path):
    folder = save_series(tmp_path / "a", slices())
    reader = open_reader(folder)
    out = tmp_path / "a.nii.gz"
    writer = create_writer(out, reader.description, provenance=Provenance("srlab", "abc"))
    writer.prepare()
    writer.write(tuple(slice(0, size) for size in reader.description.shape), whole(reader)[None])
    writer.finish()
    image = nibabel.load(out)
    np.testing.assert_array_equal(np.asarray(image.dataobj).T, slices())
    _, code = image.get_sform(coded=True)
    assert code == 1
    row, column = np.reshape(DIRECTIONS, (2, 3))
    for i, j, k in [(0, 0, 0), (6, 0, 0), (0, 4, 0), (6, 4, 5)]:
        # PS3.3, C.7.6.2.1.1: the second of the spacings is from column to column.
        left_back_top = np.array(position(k)) + row * SPACING[1] * i + column * SPACING[0] * j
        expected = left_back_top * [-1, -1, 1]
        np.testing.assert_allclose((image.affine @ [i, j, k, 1])[:3], expected, atol=1e-4)


def test_a_tilted_scanners_slices_are_sheared(tmp_path):
    places = [list(map(float, np.add(position(at), (0, 0, 0.4 * at)))) for at in range(6)]
    reader = open_reader(save_series(tmp_path, slices(), ImagePositionPatient=places))
    last = reader.description.geometry.affine @ [0, 0, 5, 1]
    np.testing.assert_allclose(last, np.array(places[5]) * [-1, -1, 1], atol=1e-6)


def test_a_file_opens_its_series(tmp_path, caplog):
    first, second = slices(), slices(4, seed=1)
    save_series(tmp_path, first, name="a{}.dcm")
    save_series(tmp_path, second, name="IM.{}")  # a name without an ending
    np.testing.assert_array_equal(whole(open_reader(tmp_path / "a3.dcm")), first)
    np.testing.assert_array_equal(whole(open_reader(tmp_path / "IM.2")), second)
    for chosen, values in {"2": first, "a1.dcm": first, "IM.1": second}.items():
        reader = pickle.loads(pickle.dumps(open_reader(f"{tmp_path}#{chosen}")))
        np.testing.assert_array_equal(whole(reader), values)
    with pytest.raises(Mistake, match=r"holds 2 images \(IM.1, a1.dcm\): choose one"):
        open_reader(tmp_path)


def test_a_series_is_one_file_of_a_source(tmp_path):
    save_series(tmp_path / "x" / "t1", slices(), name="1.2.840.{}")
    save_series(tmp_path / "x" / "t1", slices(), name="b{}.DCM")
    save_series(tmp_path / "y.dcm", slices())
    (tmp_path / "y.dcm" / "README").write_text("no image")
    found = find_files(str(tmp_path), [".nii", ".dcm"])
    names = [path.relative_to(tmp_path).as_posix() for path in found]
    assert names == ["x/t1/1.2.840.1", "x/t1/b1.DCM", "y.dcm/0001.dcm"]


def test_a_disc_with_its_contents_is_searched(tmp_path, caplog):
    shutil.copy(get_testdata_file("dicomdirtests/DICOMDIR", download=False), tmp_path)
    save_series(tmp_path / "DICOM" / "ST1", slices(), name="IM{}")
    (tmp_path / "DICOM" / "ST2").mkdir()
    (tmp_path / "DICOM" / "ST2" / "a.dcm").write_text("no image")
    assert find_files(str(tmp_path), [".dcm"]) == [tmp_path / "DICOM" / "ST1" / "IM1"]
    assert "ST2 is a DICOM image that can be read: it is left out" in caplog.text


@pytest.mark.parametrize("compress", [False, True])
def test_an_enhanced_file_holds_its_slices(tmp_path, compress):
    values, order = slices(), [3, 0, 5, 1, 4, 2]
    save_enhanced(tmp_path / "a.dcm", values, order, compress=compress)
    save_series(tmp_path / "ordinary", values)
    reader = open_reader(tmp_path / "a.dcm")
    expected = values * (np.arange(6) + 1.0)[:, None, None]
    np.testing.assert_array_equal(whole(reader), expected)
    ordinary = open_reader(tmp_path / "ordinary").description
    assert reader.description.geometry == ordinary.geometry


def test_a_window_decodes_its_own_slices_alone(tmp_path):
    folder = save_series(tmp_path, slices())
    reader = open_reader(folder)
    for at in (1, 2, 3):  # by name the last slices
        (folder / f"{at:04}.dcm").unlink()
    window = (slice(0, 3), slice(0, 5), slice(0, 7))
    np.testing.assert_array_equal(reader.read(window)[0], slices()[:3])


def test_other_files_are_left_out_with_a_warning(tmp_path, caplog):
    save_series(tmp_path, slices())
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "empty.dcm").touch()
    (tmp_path / "DICOMDIR").touch()
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(whole(open_reader(tmp_path)), slices())
    assert "2 of 8 files" in caplog.text
    assert "are left out, such as empty.dcm" in caplog.text


def test_a_changed_file_is_read_anew(tmp_path):
    open_reader(save_series(tmp_path, slices()))
    np.testing.assert_array_equal(
        whole(open_reader(save_series(tmp_path, slices(), RescaleSlope=10))), 10.0 * slices()
    )


UNLIKE = {
    "in the number of pixels": {"Rows": [5, 5, 5, 4, 5, 5]},
    "in the pixel spacing": {"PixelSpacing": [*[list(SPACING)] * 5, [1, 1]]},
    "in the direction": {"ImageOrientationPatient": [*[list(DIRECTIONS)] * 5, [1, 0, 0, 0, 1, 0]]},
    "in the type of values": {"PixelRepresentation": [1, 1, 0, 1, 1, 1]},
    "does not say where its slice lies": {"ImagePositionPatient": [*map(position, range(5)), None]},
    "lie at one place: the series is one over time": {
        "ImagePositionPatient": [*map(position, [0, 1, 2, 0, 1, 2])]
    },
    "a slice is missing: from .* it is 7.5 mm, and otherwise 2.5 mm": {
        "ImagePositionPatient": [*map(position, [0, 1, 2, 5, 6, 7])]
    },
    "mm beside its place in equal steps": {
        "ImagePositionPatient": [*map(position, [0, 1, 2, 3.3, 4, 5])]
    },
    "holds several frames": {"NumberOfFrames": 2},
    "is a picture in colours": {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"},
    "has directions of no right angle": {"ImageOrientationPatient": [[1, 0, 0, 1, 0, 0]] * 6},
    "has a slope of 0": {"RescaleSlope": 0},
    "is truncated: its header says": {"Rows": 30_000, "Columns": 30_000},
}


@pytest.mark.parametrize("message", UNLIKE)
def test_slices_that_make_no_volume_are_told_in_a_line(tmp_path, message):
    folder = save_series(tmp_path, slices(), **UNLIKE[message])
    with pytest.raises(Mistake, match=message) as caught:
        open_reader(folder)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [0, 100, 200, 700])
def test_truncated_files_are_told_in_a_line(tmp_path, size):
    folder = save_series(tmp_path, slices(1))
    file = folder / "0001.dcm"
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(Mistake, match=r"truncated") as caught:
        whole(open_reader(file))
    assert "\n" not in str(caught.value)


def test_a_real_slice_equals_pydicoms(tmp_path):
    plain = get_testdata_file("MR_small.dcm", download=False, read=True)
    shutil.copy(get_testdata_file("MR_small_RLE.dcm", download=False), tmp_path)
    np.testing.assert_array_equal(whole(open_reader(tmp_path))[0], plain.pixel_array)


def test_a_missing_plugin_is_named():
    path = get_testdata_file("MR_small_jpeg_ls_lossless.dcm", download=False)
    with pytest.raises(Mistake, match=r"is compressed as JPEG-LS .* lacks a plugin .*pyjpegls"):
        open_reader(path)


def test_the_place_of_a_lone_slice_is_known(tmp_path):
    reader = open_reader(save_series(tmp_path, slices(1)))
    assert reader.description.pixel_size == (STEP, *SPACING)
    expected = np.array(FIRST) * [-1, -1, 1]
    np.testing.assert_allclose(reader.description.geometry.affine[:, 3], expected)
