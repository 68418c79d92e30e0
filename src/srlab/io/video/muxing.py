"""Muxing: encoded segments and the sound of the input, copied into one file without decoding."""

from __future__ import annotations

import heapq
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

from srlab.io.video.encoding import STEP
from srlab.io.video.geometry import VideoGeometry
from srlab.io.video.pyav import av
from srlab.mistakes import Mistake

CONTAINERS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}
"""FFmpeg's names of the formats, by suffix."""

OPTIONS = {
    "fflags": "+bitexact",  # no random numbers and no version in the file
    "movflags": "+faststart",  # the index comes first, so that a player can start at once
}
"""FFmpeg's options of the output."""

Packet = Any  # of PyAV


def check_sound(path: Path, source: Path | None) -> None:
    """Raise a `Mistake` if the format of `path` cannot hold the sound of `source` unchanged."""
    if source is None:
        return
    form = CONTAINERS[path.suffix.lower()]
    with av.open(io.BytesIO(), "w", format=form) as container:
        known = container.supported_codecs
    with av.open(str(source)) as opened:
        for stream in opened.streams.audio:
            if stream.codec_context.codec.canonical_name not in known:
                raise Mistake(
                    f"{path} cannot hold the sound of {source} "
                    f"({stream.codec_context.codec.canonical_name}) as it is: write .mkv."
                )


def mux(
    target: Path, segments: Sequence[Path], geometry: VideoGeometry, metadata: Mapping[str, str]
) -> None:
    """Write all segments into one file, with the times of frames and the sound of the input."""
    with ExitStack() as stack:
        output = stack.enter_context(av.open(str(target), "w", container_options=OPTIONS))
        output.metadata.update(metadata)
        with av.open(str(segments[0])) as first:
            stream = output.add_stream_from_template(first.streams.video[0])
        stream.time_base = geometry.time_base
        is_h265 = stream.codec_context.codec.canonical_name == "hevc"
        if is_h265 and target.suffix.lower() in (".mp4", ".mov"):
            stream.codec_context.codec_tag = "hvc1"  # the only tag that Apple's players know
        sources = [_pictures(segments, geometry, stream)]
        if geometry.source is not None:
            source = stack.enter_context(av.open(str(geometry.source)))
            if source.streams.audio:
                sources.append(_sound(source, output))
        # In the order of time, since a packet far ahead of the others would wait in memory.
        for _, packet in heapq.merge(*sources, key=lambda pair: pair[0]):
            output.mux(packet)


def _pictures(
    segments: Sequence[Path], geometry: VideoGeometry, stream: Any
) -> Iterator[tuple[Fraction, Packet]]:
    """Yield the packets of frames with their true times; before each, its decoding time in s.

    Decoding times follow the order of packets. They are the times of frames, but earlier by some
    frames, so that every frame is decoded before it is shown.
    """
    times = (*geometry.times, geometry.end)
    delay = _delay(segments)
    first = 0
    for segment in segments:
        count = 0
        for number, packet in _numbered(segment):
            shown = first + number
            packet.pts, packet.duration = times[shown], times[shown + 1] - times[shown]
            decoded = _decoding_time(times, first + count - delay)
            packet.dts = decoded
            packet.time_base, packet.stream = geometry.time_base, stream
            count += 1
            yield decoded * geometry.time_base, packet
        first += count


def _decoding_time(times: Sequence[int], number: int) -> int:
    """Return the time of a frame; for negative numbers, equal steps before the first frame."""
    if number >= 0:
        return times[number]
    return times[0] + number * (times[1] - times[0])


def _delay(segments: Sequence[Path]) -> int:
    """Return the number of frames by which decoding must be ahead of display.

    It is not 0 if frames refer to later ones.
    """
    ahead = 0
    for segment in segments:
        for place, (number, _) in enumerate(_numbered(segment)):
            ahead = max(ahead, place - number)
    return ahead


def _numbered(segment: Path) -> Iterator[tuple[int, Packet]]:
    """Yield the packets of a segment in the order of the file, each after its frame's number."""
    with av.open(str(segment)) as container:
        for packet in container.demux(container.streams.video[0]):
            if packet.size and packet.pts is not None:
                yield round(packet.pts * packet.time_base / STEP), packet


def _sound(source: Any, output: Any) -> Iterator[tuple[Fraction, Packet]]:
    """Add the sound streams of a file to the output; return their packets with their times in s."""
    copies = {
        stream.index: output.add_stream_from_template(stream) for stream in source.streams.audio
    }
    return _sound_packets(source, copies)


def _sound_packets(source: Any, copies: Mapping[int, Any]) -> Iterator[tuple[Fraction, Packet]]:
    for packet in source.demux(*source.streams.audio):
        if packet.size and packet.dts is not None:
            at = packet.dts * packet.time_base
            packet.stream = copies[packet.stream_index]
            yield at, packet
