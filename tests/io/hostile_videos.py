"""Videos that are damaged, or hold no moving picture."""

import av
import numpy as np
from clips import clip, moving


def sound_alone(path):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48000)
        for start in range(0, 9 * 1024, 1024):
            silence = np.zeros((1, 1024), np.float32)
            part = av.AudioFrame.from_ndarray(silence, "fltp", "mono")
            part.sample_rate, part.pts = 48000, start
            container.mux(stream.encode(part))
        container.mux(stream.encode())


def without_frames(path):
    """Write a video with all its headers and no picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()


def cut(path, share):
    clip(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])


def of_changing_size(path):
    """Write frames of one size, and then of another, which the header does not tell of."""
    whole, small = path.with_name("whole.mkv"), path.with_name("small.mkv")
    clip(whole, "mjpeg", frames=moving(4), format="yuvj420p")
    clip(small, "mjpeg", frames=moving(4, 32, 32), format="yuvj420p")
    with av.open(str(path), "w") as target:
        stream, time = None, 0
        for part in (whole, small):
            with av.open(str(part)) as source:
                stream = stream or target.add_stream_from_template(source.streams.video[0])
                for packet in source.demux(video=0):
                    if packet.size:
                        packet.stream, packet.pts, packet.dts = stream, time, time
                        time += 40
                        target.mux(packet)
            part.unlink()


UNREADABLE_VIDEOS = {
    "sound.mp4": sound_alone,
    "no_frames.mp4": without_frames,
    "no_frames.mkv": without_frames,
    "cut.mp4": lambda path: cut(path, 0.5),
    "head.mkv": lambda path: cut(path, 0.02),
    "sizes.mkv": of_changing_size,
    "empty.mp4": lambda path: path.touch(),
    "text.mkv": lambda path: path.write_text("no video"),
    "list.mp4": lambda path: path.write_text("ffconcat version 1.0\nfile /dev/zero\n"),
}
"""Functions that write files which cannot be read, by name."""
