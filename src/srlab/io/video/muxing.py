"""Segments and the sound of the input, copied into one file without decoding."""

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
"""FFmpeg's names of the formats, by ending."""

OPTIONS = {
    "fflags": "+bitexact",  # no random numbers and no version
    "movflags": "+faststart",  # a player can begin before it has the whole file
}

Packet = Any  # of PyAV


def check_sound(path: Path, source: Path | None) -> None:
    """Raise a `Mistake` if a file cannot hold the sound of `source` as it is."""
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
    """Write the frames of all segments at their times, with the sound of the input."""
    with ExitStack() as stack:
        output = stack.enter_context(av.open(str(target), "w", container_options=OPTIONS))
        output.metadata.update(metadata)
        with av.open(str(segments[0])) as first:
            stream = output.add_stream_from_template(first.streams.video[0])
        stream.time_base = geometry.time_base
        if stream.codec_context.codec.canonical_name == "hevc" and target.suffix.lower() in (
            ".mp4",
            ".mov",
        ):
            stream.codec_context.codec_tag = "hvc1"  # Apple's players know no other name of it
        sources = [_pictures(segments, geometry, stream)]
        if geometry.source is not None:
            source = stack.enter_context(av.open(str(geometry.source)))
            if source.streams.audio:
                sources.append(_sound(source, output))
        # By time: a packet far ahead of the others would wait in memory.
        for _, packet in heapq.merge(*sources, key=lambda pair: pair[0]):
            output.mux(packet)


def _pictures(
    segments: Sequence[Path], geometry: VideoGeometry, stream: Any
) -> Iterator[tuple[Fraction, Packet]]:
    """Yield the packets of frames at their own times, each with when it is to be decoded."""
    times, late = (*geometry.times, geometry.end), _delay(segments)
    first = 0
    for segment in segments:
        count = 0
        for number, packet in _numbered(segment):
            shown = first + number
            packet.pts, packet.duration = times[shown], times[shown + 1] - times[shown]
            packet.dts = decoded = _decoded_at(times, first + count - late)
            packet.time_base, packet.stream = geometry.time_base, stream
            count += 1
            yield decoded * geometry.time_base, packet
        first += count


def _decoded_at(times: Sequence[int], place: int) -> int:
    """Return the time of a frame; before the first one it goes back in equal steps."""
    if place >= 0:
        return times[place]
    return times[0] + place * (times[1] - times[0])


def _delay(segments: Sequence[Path]) -> int:
    """Return by how many frames decoding must be ahead, since frames refer to later ones."""
    ahead = 0
    for segment in segments:
        for place, (number, _) in enumerate(_numbered(segment)):
            ahead = max(ahead, place - number)
    return ahead


def _numbered(segment: Path) -> Iterator[tuple[int, Packet]]:
    """Yield the packets of a segment in the order of the file, with the frame each holds."""
    with av.open(str(segment)) as container:
        for packet in container.demux(container.streams.video[0]):
            if packet.size and packet.pts is not None:
                yield round(packet.pts * packet.time_base / STEP), packet


def _sound(source: Any, output: Any) -> Iterator[tuple[Fraction, Packet]]:
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
