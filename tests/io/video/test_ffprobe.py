"""What is written, judged by FFmpeg's own ffprobe where that is installed."""

import json
import shutil
import subprocess

import pytest
from clips import clip
from test_video_writer import TIMES, written

FFPROBE = shutil.which("ffprobe")
pytestmark = pytest.mark.skipif(FFPROBE is None, reason="ffprobe is not installed")
COLOURS = {"colorspace": 1, "color_range": 2, "color_primaries": 9, "color_trc": 13}
KEPT = ("color_space", "color_range", "color_primaries", "color_transfer")


def probed(path, kind, *entries):
    """What ffprobe tells of the first stream of a kind."""
    given = ["-v", "error", "-of", "json", "-select_streams", f"{kind}:0", "-show_data_hash", "md5"]
    command = [FFPROBE, *given, *entries, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert not done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("ending", "tick", "times"),
    [
        (".mp4", "1/90000", TIMES),
        (".mov", "1/90000", TIMES),
        (".mkv", "1/1000", [time // 30 * 10 for time in TIMES]),
    ],
)
def test_ffprobe_finds_the_times_colours_and_sound_of_the_input(tmp_path, ending, tick, times):
    source = clip(tmp_path / f"a{ending}", times=times, tick=tick, sound="aac", **COLOURS)
    target = tmp_path / f"b{ending}"
    written(source, target, scale=2)
    (before,) = probed(source, "v", "-show_streams")["streams"]
    (after,) = probed(target, "v", "-show_streams", "-count_frames")["streams"]
    assert {name: after[name] for name in KEPT} == {name: before[name] for name in KEPT}
    assert (after["width"], after["height"]) == (2 * before["width"], 2 * before["height"])
    assert int(after["nb_read_frames"]) == len(times)
    shown = [
        [frame["pts_time"] for frame in probed(path, "v", "-show_frames")["frames"]]
        for path in (source, target)
    ]
    assert shown[1] == shown[0]
    heard = [
        [packet["data_hash"] for packet in probed(path, "a", "-show_packets")["packets"]]
        for path in (source, target)
    ]
    assert heard[1] == heard[0]


def test_ffprobe_finds_the_rate_of_the_input(tmp_path):
    source = clip(tmp_path / "a.mp4")
    written(source, tmp_path / "b.mp4")
    streams = [probed(path, "v", "-show_streams") for path in (source, tmp_path / "b.mp4")]
    before, after = [each["streams"][0] for each in streams]
    assert after["avg_frame_rate"] == before["avg_frame_rate"] == "25/1"
    assert after["duration"] == before["duration"]
