"""Frames, times and sound of what is written, read by PyAV."""

import json
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
from clips import clip, moving, shown_at

from srlab.io import Provenance, create_writer, open_reader
from srlab.io.video import segments
from srlab.mistakes import Mistake

MADE = Provenance("srlab test", "0" * 64)
TIMES = np.cumsum(np.random.default_rng(0).integers(100, 9000, 24)).tolist()


@pytest.fixture(autouse=True)
def _short_segments(monkeypatch):
    monkeypatch.setattr("srlab.io.video.segments.FRAMES", 10)


def written(source, target, *, scale=1, order=None, rows=20, **options):
    """Repeat each pixel of a video `scale` times, written in blocks of rows in some order."""
    reader = open_reader(source)
    description = reader.description.scaled((1, scale, scale))
    writer = create_writer(target, description, provenance=MADE, options=options)
    writer.prepare()
    frames, height, width = description.shape
    blocks = [
        (slice(t, min(t + 3, frames)), slice(y, min(y + rows, height)), slice(0, width))
        for t in range(0, frames, 3)
        for y in range(0, height, rows)
    ]
    whole = reader.read(tuple(slice(0, size) for size in reader.description.shape))
    pixels = whole.repeat(scale, axis=2).repeat(scale, axis=3)
    for block in order(blocks) if order else blocks:
        writer.write(block, pixels[(slice(None), *block)])
    writer.finish()
    return pixels


def packets(path, kind):
    with av.open(str(path)) as container:
        stream = container.streams.get(**{kind: 0})[0]
        return [(bytes(packet), packet.pts) for packet in container.demux(stream) if packet.size]


def backwards(blocks):
    return blocks[::-1]


@pytest.mark.parametrize("kind", ["yuv444p", "yuv444p10le"])
def test_ffv1_gives_back_every_value(tmp_path, kind):
    source = clip(tmp_path / "a.mkv", "ffv1", format=kind)
    pixels = written(source, tmp_path / "b.mkv", scale=2, codec="ffv1", order=backwards)
    reader = open_reader(tmp_path / "b.mkv")
    read = reader.read(tuple(slice(0, size) for size in reader.description.shape))
    np.testing.assert_array_equal(read, pixels)


@pytest.mark.parametrize(
    ("ending", "codec"), [(".mp4", "h264"), (".mov", "h265"), (".mkv", "h264")]
)
def test_lossy_codecs_keep_the_picture_and_its_colours(tmp_path, ending, codec):
    source = clip(tmp_path / "a.mp4", colorspace=1, color_range=2, color_primaries=9, color_trc=13)
    target = tmp_path / f"b{ending}"
    pixels = written(source, target, scale=2, codec=codec)
    reader = open_reader(target)
    read = reader.read(tuple(slice(0, size) for size in reader.description.shape))
    assert np.sqrt(np.mean((read - pixels) ** 2)) < 4
    assert abs(np.mean(read - pixels)) < 0.6
    assert reader.description.geometry.colours == open_reader(source).description.geometry.colours


@pytest.mark.parametrize(("ending", "sound"), [(".mp4", "aac"), (".mov", "aac"), (".mkv", "aac")])
def test_times_and_sound_are_those_of_the_input(tmp_path, ending, sound):
    tick, times = (
        ("1/1000", [t // 30 * 10 for t in TIMES]) if ending == ".mkv" else ("1/90000", TIMES)
    )
    source = clip(tmp_path / f"a{ending}", times=times, tick=tick, sound=sound)
    target = tmp_path / f"b{ending}"
    written(source, target)
    assert shown_at(target) == shown_at(source)
    assert [data for data, _ in packets(target, "audio")] == [
        data for data, _ in packets(source, "audio")
    ]


def test_bytes_do_not_depend_on_the_order_of_blocks(tmp_path):
    source = clip(tmp_path / "a.mp4", sound="aac")
    written(source, tmp_path / "b.mp4", rows=48)
    for number, order in enumerate([backwards, lambda blocks: blocks[::2] + blocks[1::2]]):
        target = tmp_path / f"c{number}.mp4"
        written(source, target, rows=13, order=order)
        assert target.read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_segments_leave_as_soon_as_they_are_encoded(tmp_path):
    source = clip(tmp_path / "a.mp4")
    writer = create_writer(tmp_path / "b.mp4", open_reader(source).description, provenance=MADE)
    writer.prepare()
    folder = tmp_path / "b.mp4.partial" / "segments"
    for number in range(24):
        writer.write(
            (slice(number, number + 1), slice(0, 48), slice(0, 64)),
            np.zeros((3, 1, 48, 64), np.float32),
        )
        raw = [path for path in folder.iterdir() if not path.suffix]
        assert len(raw) <= 1
    assert not (tmp_path / "b.mp4").exists()
    writer.finish()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "b.mp4"]


def test_a_block_that_comes_twice_counts_once(tmp_path):
    source = clip(tmp_path / "a.mkv", "ffv1", format="yuv444p")
    once = written(
        source, tmp_path / "b.mkv", codec="ffv1", order=lambda blocks: [*blocks, *blocks[:5]]
    )
    twice = written(
        source, tmp_path / "c.mkv", codec="ffv1", order=lambda blocks: [blocks[0], *blocks]
    )
    np.testing.assert_array_equal(once, twice)
    assert (tmp_path / "b.mkv").read_bytes() == (tmp_path / "c.mkv").read_bytes()


def test_h265_has_the_name_that_every_player_knows(tmp_path):
    written(clip(tmp_path / "a.mp4"), tmp_path / "b.MP4", codec="h265")
    with av.open(str(tmp_path / "b.MP4")) as container:
        assert container.streams.video[0].codec_context.codec_tag == "hvc1"


def test_the_origin_is_told_in_the_comment(tmp_path):
    source = clip(tmp_path / "a.mp4")
    written(source, tmp_path / "b.mp4")
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert json.loads(container.metadata["comment"])["DESCRIPTION"] == "super-resolved"


def refused(path, description, **options):
    with pytest.raises(Mistake) as caught:
        create_writer(path, description, provenance=MADE, options=options)
    return str(caught.value)


def test_what_a_video_cannot_hold_is_refused(tmp_path):
    odd = open_reader(clip(tmp_path / "a.mkv", "ffv1", frames=moving(3, 45, 60))).description
    assert "needs even numbers: write .mkv with codec=ffv1" in refused(tmp_path / "b.mp4", odd)
    small = open_reader(clip(tmp_path / "s.mkv", "ffv1", frames=moving(3, 44, 62))).description
    assert "h265 needs 64 x 16 at least" in refused(tmp_path / "b.mp4", small, codec="h265")
    assert "offers h264, h265" in refused(tmp_path / "b.mp4", odd, codec="ffv1")
    assert "the input tells none" in refused(tmp_path / "b.mkv", replace(odd, geometry=None))
    assert "the type uint8" in refused(tmp_path / "b.mkv", odd.with_dtype(np.float32))
    assert segments.FRAMES == 10


def test_pixels_that_are_not_square_are_noted_or_refused(tmp_path):
    source = clip(tmp_path / "a.mp4", sample_aspect_ratio=Fraction(4, 3))
    for name, codec in [("b.mkv", "h264"), ("c.mp4", "h265")]:
        written(source, tmp_path / name, scale=2, codec=codec)
        with av.open(str(tmp_path / name)) as container:
            assert container.streams.video[0].sample_aspect_ratio == Fraction(4, 3)
    described = open_reader(source).description
    assert "1.333 times as wide as high" in refused(tmp_path / "d.mkv", described, codec="ffv1")


def test_what_is_suggested_instead_holds_the_frames(tmp_path):
    """Frames of odd sizes whose pixels are not square fit neither h264 nor ffv1."""
    wide = open_reader(clip(tmp_path / "a.mp4", sample_aspect_ratio=Fraction(4, 3))).description
    odd = replace(wide, shape=(*wide.shape[:2], 61))
    for name, codec in [("b.mp4", "h264"), ("c.mkv", "ffv1"), ("d.mp4", "h265")]:
        assert refused(tmp_path / name, odd, codec=codec).count("write a folder NAME.frames") == 1
    create_writer(tmp_path / "e.frames", odd, provenance=MADE)
