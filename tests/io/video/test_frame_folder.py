"""A folder of frames as a video, and a video as a folder of frames."""

import pickle
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
from clips import clip, moving, shown_at
from PIL import Image
from test_video_writer import MADE, TIMES, backwards, written

from srlab.io import create_writer, open_reader
from srlab.mistakes import Mistake


def folder(path, frames, names):
    path.mkdir()
    for frame, name in zip(frames, names, strict=True):
        Image.fromarray(frame).save(path / name)
    return path


def whole(path):
    reader = open_reader(path)
    return reader.read(tuple(slice(0, size) for size in reader.description.shape))


def test_frames_come_in_the_natural_order_of_their_names(tmp_path, caplog):
    frames = moving(12)
    names = [f"shot {number}.png" for number in range(12)]
    made = folder(tmp_path / "a.frames", frames, names)
    (made / "notes.txt").write_text("no frame")
    caplog.set_level("INFO")
    reader = open_reader(f"{made}/", bands=[3, 1])
    assert reader.description.names == ("B", "R")
    assert [axis.name for axis in reader.description.axes] == ["t", "y", "x"]
    assert reader.description.axes[0].spacing == 1 / 25
    assert "25 a second are taken" in caplog.text
    window = (slice(8, 12), slice(3, 20), slice(5, 50))
    expected = frames[8:12, 3:20, 5:50, ::-2].transpose(3, 0, 1, 2)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(reader)).read(window), expected)
    small = np.stack([*reader.thumbnails()])
    assert small.shape == (12, 36, 64)
    assert abs(small.mean() - frames[..., ::2].mean()) < 2


@pytest.mark.parametrize("kind", ["yuv444p", "yuv444p10le"])
def test_a_video_and_its_frames_have_the_same_values_and_times(tmp_path, kind):
    source = clip(tmp_path / "a.mp4", times=TIMES, tick="1/90000")
    if kind != "yuv444p":
        source = clip(tmp_path / "a.mkv", "ffv1", format=kind)
    pixels = written(source, tmp_path / "b.frames", scale=2, order=backwards)
    np.testing.assert_array_equal(whole(tmp_path / "b.frames"), pixels)
    back = written(tmp_path / "b.frames", tmp_path / "c.mkv", codec="ffv1")
    np.testing.assert_array_equal(back, pixels)
    written(tmp_path / "b.frames", tmp_path / "c.mp4")
    first, *times = shown_at(source)
    again = shown_at(tmp_path / "c.mp4")
    assert again[0] == 0
    shown = [round((time - first) * 10**6) for time in times]
    assert np.abs(np.subtract(shown, [time * 10**6 for time in again[1:]])).max() <= 1


def test_ffmpeg_reads_the_list_of_frames(tmp_path):
    written(clip(tmp_path / "a.mp4"), tmp_path / "b.frames")
    listing = str(tmp_path / "b.frames" / "frames.ffconcat")
    with av.open(listing, format="concat") as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    np.testing.assert_array_equal(np.stack(frames).transpose(3, 0, 1, 2), whole(listing[:-16]))
    assert "# DESCRIPTION: super-resolved" in (tmp_path / "b.frames/frames.ffconcat").read_text()


def test_frames_note_pixels_that_are_not_square(tmp_path):
    source = clip(tmp_path / "a.mp4", sample_aspect_ratio=Fraction(4, 3))
    written(source, tmp_path / "b.frames", scale=2)
    written(tmp_path / "b.frames", tmp_path / "c.mp4")
    with av.open(str(tmp_path / "c.mp4")) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(4, 3)


def test_frames_of_one_channel_are_written(tmp_path):
    grey = moving(3)[..., 0]
    source = folder(tmp_path / "a.frames", grey, ["0.png", "1.png", "2.png"])
    writer = create_writer(tmp_path / "b.frames", open_reader(source).description, provenance=MADE)
    writer.prepare()
    writer.write(tuple(slice(0, size) for size in grey.shape), whole(source))
    writer.finish()
    np.testing.assert_array_equal(whole(tmp_path / "b.frames")[0], grey)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.frames", "b.frames"]


def test_what_is_no_folder_of_frames_is_told_in_a_line(tmp_path):
    def told(action):
        with pytest.raises(Mistake) as caught:
            action()
        return str(caught.value)

    empty = folder(tmp_path / "e.frames", [], [])
    assert "holds no frames" in told(lambda: open_reader(empty))
    names = ["0.png", "1.png"]
    mixed = folder(tmp_path / "m.frames", [*moving(1), *moving(1, 20, 30)], names)
    assert "1.png is 30 x 20 of R,G,B in uint8, and the first" in told(lambda: whole(mixed))
    listing = mixed / "frames.ffconcat"
    listing.write_text("ffconcat version 1.0\nfile 0.png\n")
    assert "lists 1 files and 0 durations" in told(lambda: open_reader(mixed))
    listing.write_text("file 7.png\nduration 1\n")
    assert "names 7.png, which is no file of the folder" in told(lambda: open_reader(mixed))
    listing.write_text("file ../m.frames/0.png\nduration 1\n")
    assert "names ../m.frames/0.png, which is no file" in told(lambda: open_reader(mixed))
    for time in ("soon", "1e999", "'1"):
        listing.write_text(f"file 0.png\nduration {time}\n")
        assert f"in line 2, {f'duration {time}'!r}" in told(lambda: open_reader(mixed))
    for aspect in ("4:3", "1/0", "0", "9" * 5000):
        listing.write_text(f"# PIXEL_ASPECT: {aspect}\nfile 0.png\nduration 1\n")
        assert "in line 1, " in told(lambda: open_reader(mixed))
    listing.write_bytes(b"\xff\xfe\x00file")
    assert "lists 0 files and 0 durations" in told(lambda: open_reader(mixed))
    listing.unlink()
    timeless = replace(open_reader(mixed).description, geometry=None)
    made = tmp_path / "b.frames"
    assert "is no video" in told(lambda: create_writer(made, timeless, provenance=MADE))
