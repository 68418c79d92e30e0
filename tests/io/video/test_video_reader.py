"""Frames by number, their times, colours and turns, beside PyAV's own decoding."""

import multiprocessing
import pickle
from fractions import Fraction
from itertools import islice

import av
import numpy as np
import pytest
from clips import SHAPE, clip, moving, shown_at

from srlab.io import open_reader
from srlab.io.video.colours import CONVERSION
from srlab.io.video.decoder import Decoder
from srlab.mistakes import Mistake


def reference(path):
    """Return ``(C, T, H, W)``, decoded from the first frame to the last."""
    with av.open(str(path)) as container:
        frames = [
            frame.to_ndarray(format="rgb24", dst_color_range=2, interpolation=CONVERSION)
            for frame in container.decode(video=0)
        ]
    return np.stack(frames).transpose(3, 0, 1, 2).astype(np.float32)


def whole(reader):
    return reader.read(tuple(slice(0, size) for size in reader.description.shape))


KINDS = {
    "a.mp4": ("libx264", {}),
    "a.mov": ("libx265", {"options": {"x265-params": "log-level=none:keyint=8"}}),
    "a.mkv": ("ffv1", {"format": "yuv444p"}),
    "b.mkv": ("libx264", {"options": {"open-gop": "1", "x264-params": "open-gop=1:keyint=8"}}),
    "a.avi": ("mpeg4", {"max_b_frames": 2}),
    "b.avi": ("libx264", {}),
    "a.webm": ("libvpx-vp9", {"options": {"deadline": "realtime"}}),
}


@pytest.mark.parametrize("name", KINDS)
def test_windows_in_any_order_equal_a_decoding_from_the_start(tmp_path, name):
    codec, given = KINDS[name]
    path = clip(tmp_path / name, codec, **given)
    reader, expected = pickle.loads(pickle.dumps(open_reader(path))), reference(path)
    assert reader.description.shape == SHAPE == expected.shape[1:]
    for start in (20, 3, 4, 12, 9, 0, 23, 22):
        window = (slice(start, min(start + 2, 24)), slice(5, 40), slice(30, 64))
        np.testing.assert_array_equal(reader.read(window), expected[(slice(None), *window)])


def test_the_next_frames_need_no_search(tmp_path, monkeypatch):
    reader = open_reader(clip(tmp_path / "a.mp4"))
    reader.read((slice(2, 3), slice(0, 1), slice(0, 1)))
    monkeypatch.setattr("srlab.io.video.decoder.Decoder._seek", None)
    for number in range(3, 24):
        reader.read((slice(number, number + 1), slice(0, 1), slice(0, 1)))


def test_tiles_of_the_same_frames_decode_them_once(tmp_path, monkeypatch):
    reader = open_reader(clip(tmp_path / "a.mp4"))
    decoded = []
    decode = Decoder._decoded

    def counted(decoder, number):
        decoded.append(number)
        return decode(decoder, number)

    monkeypatch.setattr(Decoder, "_decoded", counted)
    for times in (slice(0, 8), slice(6, 14)):
        for row in range(3):
            reader.read((times, slice(row, row + 1), slice(0, 9)))
    assert decoded == list(range(14))


def test_a_forked_process_reads_for_itself(tmp_path):
    reader = open_reader(clip(tmp_path / "a.mp4"))
    expected = whole(reader)
    reader.close()
    reader.read((slice(3, 4), slice(0, 1), slice(0, 1)))
    with multiprocessing.get_context("fork").Pool(1) as pool:
        np.testing.assert_array_equal(pool.apply(whole, (reader,)), expected)


@pytest.mark.parametrize(("matrix", "limited"), [(1, True), (5, False), (9, True)])
def test_colours_follow_the_standards_formula(tmp_path, matrix, limited):
    yuv = np.random.default_rng(0).integers(60, 180, (3, 48, 64)).astype(np.uint8)
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv444p"
        stream.codec_context.colorspace = matrix
        stream.codec_context.color_range = 1 if limited else 2
        container.mux(stream.encode(av.VideoFrame.from_ndarray(yuv, "yuv444p")))
        container.mux(stream.encode())
    red, blue = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 9: (0.2627, 0.0593)}[matrix]
    low, luma_span, chroma_span = (16, 219, 224) if limited else (0, 255, 255)
    luma = (yuv[0].astype(float) - low) / luma_span
    cb, cr = (yuv[1:].astype(float) - 128) / chroma_span
    r, b = luma + 2 * (1 - red) * cr, luma + 2 * (1 - blue) * cb
    g = (luma - red * r - blue * b) / (1 - red - blue)
    expected = np.clip(np.stack([r, g, b]) * 255, 0, 255)
    np.testing.assert_allclose(whole(open_reader(path))[:, 0], expected, atol=0.51)


def test_more_than_8_bits_are_read_as_16(tmp_path):
    path = clip(tmp_path / "a.mkv", "ffv1", format="yuv444p10le")
    reader = open_reader(path)
    assert reader.description.dtype == np.uint16
    np.testing.assert_allclose(whole(reader) / 257, moving().transpose(3, 0, 1, 2), atol=1.5)


@pytest.mark.parametrize("turn", [(90,), (180,), (-90, True), (0, False, True)])
def test_frames_stand_upright_as_their_matrix_says(tmp_path, turn):
    path = clip(tmp_path / "a.mp4", turn=turn)
    stored, turned = reference(path), whole(open_reader(path))
    with av.open(str(path)) as container:
        side = next(container.decode(video=0)).side_data["DISPLAYMATRIX"]
    matrix = np.frombuffer(side, np.int32).reshape(3, 3)[:2, :2].T // 2**16
    rows, columns = np.mgrid[:48, :64]
    places = np.einsum("ij,jhw->ihw", matrix, np.stack([columns, rows]))
    x, y = places - places.min(axis=(1, 2), keepdims=True)
    expected = np.empty_like(turned)
    expected[..., y, x] = stored
    np.testing.assert_array_equal(turned, expected)


def test_varying_times_are_kept(tmp_path):
    times = np.cumsum(np.random.default_rng(0).integers(100, 9000, 24)).tolist()
    path = clip(tmp_path / "a.mp4", times=times, tick="1/90000")
    geometry = open_reader(path).description.geometry
    assert [time * geometry.time_base for time in geometry.times] == shown_at(path)
    assert geometry.spacing is None
    constant = open_reader(clip(tmp_path / "b.mkv", tick="1/1000", times=range(0, 960, 40)))
    assert constant.description.axes[0].spacing == pytest.approx(0.04)


def test_pixels_that_are_not_square_keep_their_shape(tmp_path):
    path = clip(tmp_path / "a.mp4", sample_aspect_ratio=Fraction(4, 3))
    geometry = open_reader(path).description.geometry
    assert geometry.pixel_aspect == Fraction(4, 3)
    assert geometry.scaled((1, 2, 4)).pixel_aspect == Fraction(2, 3)
    with pytest.raises(Mistake, match="2 frames of each"):
        geometry.scaled((2, 2, 2))


def sound_alone(path):
    clip(path, sound="aac")
    with av.open(str(path)) as source, av.open(str(path) + ".mp4", "w") as target:
        copied = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(audio=0):
            if packet.dts is not None:
                packet.stream = copied
                target.mux(packet)
    path.write_bytes((path.parent / f"{path.name}.mp4").read_bytes())


def cut(path, share):
    clip(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


HOSTILE = {
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("hello " * 500),
    "cut": lambda path: cut(path, 0.04 if path.suffix == ".mkv" else 0.5),
    "sound alone": sound_alone,
}


@pytest.mark.parametrize("ending", [".mp4", ".avi", ".mkv"])
def test_hostile_files_are_told_in_a_line(tmp_path, ending):
    for what in HOSTILE:
        path = tmp_path / f"harmed{ending}"
        HOSTILE[what](path)
        with pytest.raises(Mistake, match="harmed") as caught:
            whole(open_reader(path))
        assert "\n" not in str(caught.value)


def test_a_clip_shorter_than_its_header_says_is_told_of(tmp_path, caplog):
    path = tmp_path / "a.mkv"
    cut(path, 0.5)
    assert open_reader(path).description.shape[0] < 24
    assert "its header says 0.96 s" in caplog.text


def test_real_clip_equals_pyavs(shared_data):
    path = shared_data("video/bigbuckbunny.mp4")
    reader = open_reader(path)
    assert reader.description.shape == (132, 720, 1280)
    with av.open(str(path)) as container:
        *_, frame = islice(container.decode(video=0), 41)
    expected = frame.to_ndarray(
        format="rgb24", src_colorspace=1, src_color_range=1, dst_color_range=2,
        interpolation=CONVERSION,
    )  # fmt: skip
    got = reader.read((slice(40, 41), slice(100, 300), slice(600, 900)))
    np.testing.assert_array_equal(got[:, 0], expected[100:300, 600:900].transpose(2, 0, 1))
