"""Photographs, read and written, against PIL: pixels, EXIF data, profile, density, orientation."""

import numpy as np
import png
import pytest
from PIL import Image, ImageCms, ImageOps
from PIL.TiffImagePlugin import IFDRational

from srlab.io import Provenance, create_writer, open_reader

MADE = Provenance("srlab 9.8", "0a" * 32)
RNG = np.random.default_rng(0)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
PHOTO, PLACE = 0x8769, 0x8825
ORIENTATION, MAKER, CAPTION = 0x0112, 0x010F, 0x010E


def image(mode="RGB", shape=(60, 44)):
    pixels = RNG.integers(0, 256, (*shape, 4), dtype=np.uint8)
    if mode == "I;16":
        return Image.fromarray(pixels[..., 0] * np.uint16(257))
    return Image.fromarray(pixels).convert(mode)


def camera(orientation=1, endian="<"):
    exif = Image.Exif()
    exif[ORIENTATION], exif[MAKER], exif[CAPTION] = orientation, "Maker", "A hill"
    exif.get_ifd(PHOTO).update({0x829A: IFDRational(1, 250), 0x9003: "2020:01:01 00:00:00"})
    exif.get_ifd(PHOTO).update({0x9286: b"ASCII\0\0\0seen", 0xA002: 7, 0x927C: b"a maker's note"})
    exif.get_ifd(PLACE).update({1: "N", 2: (50.0, 1.0, 2.5), 29: "2020:01:01"})
    exif.endian = endian
    return exif.tobytes()


def windows(shape):
    """Windows that cover an image of `shape`, of odd sizes."""
    for top in range(0, shape[0], 17):
        for left in range(0, shape[1], 23):
            yield slice(top, min(top + 17, shape[0])), slice(left, min(left + 23, shape[1]))


def assert_read_as(path, expected, atol=0):
    """Compare every window with pixels ``(H, W)`` or ``(H, W, C)``."""
    expected = np.asarray(expected, np.float32)
    expected = np.moveaxis(expected.reshape(*expected.shape[:2], -1), -1, 0)
    reader = open_reader(path)
    assert (len(reader.description.channels), *reader.description.shape) == expected.shape
    for window in windows(reader.description.shape):
        values = reader.read(window)
        np.testing.assert_allclose(values, expected[:, *window], atol=atol, rtol=0)
    return reader.description


def rewritten(source, target, scale=(1, 1)):
    """Read a picture, repeat its pixels, and write them."""
    reader = open_reader(source)
    shape = reader.description.shape
    values = reader.read(tuple(slice(0, size) for size in shape))
    writer = create_writer(target, reader.description.scaled(scale), provenance=MADE)
    writer.prepare()
    enlarged = values.repeat(scale[0], axis=1).repeat(scale[1], axis=2)
    writer.write(tuple(slice(0, size) for size in enlarged.shape[1:]), enlarged)
    writer.finish()
    return Image.open(target)


STORED = [
    *((f"a.{end}", mode) for end in ("png", "tif") for mode in ("L", "LA", "RGB", "RGBA", "I;16")),
    ("a.webp", "RGB"), ("a.webp", "RGBA"), ("a.bmp", "L"), ("a.bmp", "RGB"),
    ("a.jpg", "L"), ("a.jpg", "RGB"),
]  # fmt: skip
OPTIONS = {
    "webp": {"lossless": True, "exact": True},
    "jpg": {"subsampling": 0, "quality": 98, "progressive": True},
    "tif": {"compression": "tiff_adobe_deflate"},
}


def test_every_window_is_as_pil_reads_it(tmp_path):
    for name, mode in STORED:
        image(mode).save(tmp_path / name, **OPTIONS.get(name[2:], {}))
        # decoders of JPEG round differently
        assert_read_as(tmp_path / name, Image.open(tmp_path / name), atol=2 if "jpg" in name else 0)


@pytest.mark.parametrize("folder", ["set5/HR", "set5/LR_matlab_x3", "train/T91", "train/BSD200"])
def test_every_window_of_real_photographs_is_as_pil_reads_it(shared_data, folder):
    for path in sorted(shared_data(f"rgb/{folder}").iterdir())[:12]:
        assert_read_as(path, Image.open(path))


def test_other_modes_are_read_as_colours_or_greys(tmp_path):
    cases = [
        ("a.png", "1", {}),
        ("a.tif", "1", {"compression": "group4"}),
        ("a.bmp", "1", {}),
        ("a.png", "P", {}),
        ("a.tif", "P", {}),
        ("a.bmp", "P", {}),
        ("a.gif", "P", {}),
        ("a.tif", "YCbCr", {}),
    ]
    for name, mode, options in cases:
        picture = image("RGB").quantize(20) if mode == "P" else image(mode)
        picture.save(tmp_path / name, **options)
        wanted = Image.open(tmp_path / name).convert("L" if mode == "1" else "RGB")
        described = assert_read_as(tmp_path / name, wanted, atol=1 if mode == "YCbCr" else 0)
        assert ("SRLAB_PALETTE" in described.tags) == (mode == "P")


@pytest.mark.parametrize(
    ("name", "mode", "problem"),
    [
        ("a.jpg", "CMYK", "holds colours as CMYK"),
        ("a.tif", "CMYK", "holds colours as CMYK"),
        ("a.tif", "LAB", "holds colours as CIELAB"),
        ("a.tif", "PA", "holds a palette and further bands"),
    ],
)
def test_colours_that_gdal_would_mistake_are_refused(tmp_path, name, mode, problem):
    if mode == "PA":
        picture = image("LA").convert("PA")
    elif mode == "LAB":
        picture = Image.frombytes("LAB", (44, 60), image("RGB").tobytes())
    else:
        picture = image(mode)
    picture.save(tmp_path / name)
    with pytest.raises(ValueError, match=f"{name} {problem}"):
        open_reader(tmp_path / name)


@pytest.mark.parametrize("end", ["png", "gif", "webp"])
def test_an_animation_is_refused(tmp_path, end):
    frames = [image("RGB").quantize(9).convert("RGB") for _ in range(3)]
    frames[0].save(tmp_path / f"a.{end}", save_all=True, append_images=frames[1:])
    with pytest.raises(ValueError, match=f"a.{end} (is an animation|holds 3 images)"):
        open_reader(tmp_path / f"a.{end}")
    frames[0].save(tmp_path / f"a.{end}")
    open_reader(tmp_path / f"a.{end}")


@pytest.mark.parametrize("end", ["png", "webp", "tif"])
def test_pictures_stand_upright(tmp_path, end):
    for orientation in range(1, 9):
        path = tmp_path / f"a.{end}"
        image().save(
            path, exif=camera(orientation), **({"lossless": True} if end == "webp" else {})
        )
        assert_read_as(path, ImageOps.exif_transpose(Image.open(path)))


@pytest.mark.parametrize(
    ("source", "target"), [("png", "jpg"), ("jpg", "webp"), ("webp", "tif"), ("tif", "png")]
)
def test_notes_of_a_camera_are_kept_and_those_of_the_old_pixels_are_not(tmp_path, source, target):
    first, second = tmp_path / f"a.{source}", tmp_path / f"b.{target}"
    image().save(first, exif=camera(6), icc_profile=PROFILE, dpi=(300, 300))
    upright = ImageOps.exif_transpose(Image.open(first)).size
    out = rewritten(first, second, scale=(2, 3))
    assert out.size == (3 * upright[0], 2 * upright[1])
    assert out.info["icc_profile"] == PROFILE
    exif = out.getexif()
    assert exif.get(ORIENTATION, 1) == 1
    assert exif[MAKER] == "Maker"
    assert exif[CAPTION].startswith("A hill")
    photo, place = exif.get_ifd(PHOTO), exif.get_ifd(PLACE)
    assert (photo[0x829A], photo[0x9003]) == (IFDRational(1, 250), "2020:01:01 00:00:00")
    assert photo[0x9286] == b"ASCII\0\0\0seen"
    assert (photo[0xA002], photo[0xA003]) == out.size
    assert 0x927C not in photo
    assert (place[1], place[2], place[29]) == ("N", (50.0, 1.0, 2.5), "2020:01:01")
    if (source, target) != ("webp", "webp") and source != "webp":
        assert density(out) == pytest.approx((900, 600), abs=0.1)
    again = rewritten(second, tmp_path / f"c.{target}")
    assert again.getexif()[CAPTION] == exif[CAPTION]  # the note of the first run is replaced


def density(picture):
    """Dots per inch ``(x, y)``; WebP has them in its EXIF data alone."""
    exif = picture.getexif()
    return picture.info.get("dpi") or (exif[0x011A], exif[0x011B])


def test_big_endian_exif_data_are_read(tmp_path):
    image().save(tmp_path / "a.jpg", exif=camera(endian=">"))
    assert b"MM\0*" in (tmp_path / "a.jpg").read_bytes()[:60]
    made = rewritten(tmp_path / "a.jpg", tmp_path / "b.jpg").getexif()
    assert made.get_ifd(PHOTO)[0x829A] == IFDRational(1, 250)
    assert made.get_ifd(PLACE)[2] == (50.0, 1.0, 2.5)


def test_a_bmp_keeps_its_density(tmp_path):
    image().save(tmp_path / "a.bmp", dpi=(300, 200))
    out = rewritten(tmp_path / "a.bmp", tmp_path / "b.bmp", scale=(2, 2))
    assert out.info["dpi"] == pytest.approx((600, 400), abs=0.1)


def test_writing_what_was_read_loses_nothing(tmp_path):
    for name, mode in [each for each in STORED if each[0] in ("a.png", "a.webp", "a.bmp", "a.tif")]:
        picture = image(mode)
        picture.save(tmp_path / name, **OPTIONS.get(name[2:], {}))
        out = rewritten(tmp_path / name, tmp_path / f"{mode}_{name}")
        assert out.mode == picture.mode
        np.testing.assert_array_equal(np.asarray(out), np.asarray(picture))


@pytest.mark.parametrize("bands", [3, 4])
def test_png_of_16_bit_colours_keeps_them(tmp_path, bands):
    pixels = RNG.integers(0, 2**16, (30, 20, bands), dtype=np.uint16)
    mode = {3: "RGB;16", 4: "RGBA;16"}[bands]
    png.from_array(pixels.reshape(30, -1), mode).save(tmp_path / "a.png")
    assert_read_as(tmp_path / "a.png", pixels)
    rewritten(tmp_path / "a.png", tmp_path / "b.png")
    _, _, rows, stored = png.Reader(filename=tmp_path / "b.png").read()
    assert (stored["bitdepth"], stored["planes"]) == (16, bands)
    np.testing.assert_array_equal(np.vstack([*rows]).reshape(pixels.shape), pixels)
