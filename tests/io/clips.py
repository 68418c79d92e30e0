"""Small videos, made by PyAV itself."""

from fractions import Fraction

import av
import numpy as np

SHAPE = (24, 48, 64)


def moving(count=SHAPE[0], height=SHAPE[1], width=SHAPE[2]):
    """Return frames ``(T, H, W, 3)`` of which no two are alike, whatever a codec loses."""
    rows, columns = np.mgrid[:height, :width]
    planes = [rows * 3, columns * 2, (rows + columns) * 2]
    first = np.stack(planes, axis=-1) % 200
    return np.stack([(first + 7 * number) % 200 for number in range(count)]).astype(np.uint8)


def clip(path, codec="libx264", *, frames=None, times=None, tick=None, **given):
    """Write a video; its frame n is shown at ``times[n]``, in units of `tick` seconds."""
    frames = moving() if frames is None else frames
    options = {"threads": "1", "g": "8"} | given.pop("options", {})
    format_ = given.pop("format", "yuv420p")
    turn = given.pop("turn", None)
    sound = given.pop("sound", None)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], format_
        for name, value in given.items():
            setattr(stream.codec_context, name, value)
        if tick is not None:
            stream.time_base = stream.codec_context.time_base = Fraction(tick)
        if turn is not None:
            stream.set_display_rotation(*turn)
        heard = sound and container.add_stream(sound, rate=48000)
        for number, frame in enumerate(frames):
            shown = av.VideoFrame.from_ndarray(frame, format="rgb24")
            shown.pts = number if times is None else times[number]
            shown.time_base = Fraction(tick or "1/25")
            container.mux(stream.encode(shown))
        container.mux(stream.encode())
        if heard:
            tone = np.sin(np.arange(48000) / 20, dtype=np.float32)[None]
            for start in range(0, 48000, 1024):
                part = av.AudioFrame.from_ndarray(tone[:, start : start + 1024], "fltp", "mono")
                part.sample_rate, part.pts = 48000, start
                container.mux(heard.encode(part))
            container.mux(heard.encode())
    return path


def decoded(path, kind="rgb24"):
    """Return all frames as PyAV decodes them from the first to the last."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format=kind) for frame in container.decode(video=0)]


def shown_at(path):
    """Return the times of the frames in seconds, exactly."""
    with av.open(str(path)) as container:
        return [frame.pts * frame.time_base for frame in container.decode(video=0)]
