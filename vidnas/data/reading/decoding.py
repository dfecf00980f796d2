"""Frames of a video file with their times, decoded from the key frame before a moment."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame

from vidnas.data.contents import Stamp, stamp_or_none
from vidnas.data.reading.bounds import DecodeBudget
from vidnas.data.reading.errors import VideoError
from vidnas.data.reading.opening import Packet, open_video, packets
from vidnas.data.reading.stamps import Stamps, own_stamp, read_stamps

_REORDER_DEPTH = 4

TimedFrames = Iterator[tuple[float, VideoFrame]]


class _Index(NamedTuple):
    """What the packets of a file tell before anything is decoded."""

    stamps: Stamps
    size: tuple[int, int]
    seekable: bool


class VideoFile:
    """A video file: its time stamps, and its frames from any moment on.

    A file is opened once for either, because not all of them can be rewound.
    """

    def __init__(self, path: Path, packets_max: int) -> None:
        """Read the stamps, of so many packets at most; the duration is then an estimate.

        Raises:
            VideoError: the file cannot be opened, or holds nothing of a video.
        """
        self._path = path
        self._stamps, self.size, self._seekable = _read_index(
            path, stamp_or_none(path), packets_max
        )
        stamps = self._stamps
        self.rate_fps = stamps.rate_fps
        self.times_s = stamps.times_s
        self.missing_s = stamps.missing_s
        self.duration_s = stamps.duration_s
        if len(stamps.ticks) == packets_max:
            self.duration_s *= path.stat().st_size / max(1, stamps.read_bytes)

    def frames(self, from_s: float) -> TimedFrames:
        """Yield the frames with their times, beginning before `from_s`.

        Packets that cannot be decoded are left out.

        Raises:
            VideoError: decoding takes too long or too much memory.
        """
        key = self._stamps.key_before(from_s) if self._seekable else 0
        if key:
            with open_video(self._path) as (container, stream):
                found = self._seek(container, stream, key)
                if found is not None:
                    yield from self._timed(self._decode(stream, enumerate(found, key)), key)
                    return
        with open_video(self._path) as (container, stream):
            numbered = enumerate(packets(container, stream))
            rest = ((number, packet) for number, packet in numbered if number >= key)
            yield from self._timed(self._decode(stream, rest), key)

    def _seek(
        self, container: InputContainer, stream: av.VideoStream, key: int
    ) -> Iterator[Packet] | None:
        """Return the packets from a key packet on; None if seeking misses it."""
        wanted = int(self._stamps.ticks[key])
        with suppress(av.FFmpegError):
            container.seek(wanted, stream=stream)
            found = packets(container, stream)
            for packet in found:
                stamp = own_stamp(packet, self._stamps.ordered)
                if packet.is_keyframe and stamp is not None and stamp >= wanted:
                    return chain([packet], found) if stamp == wanted else None
        return None

    def _decode(
        self, stream: av.VideoStream, numbered: Iterable[tuple[int, Packet]]
    ) -> Iterator[VideoFrame]:
        width, height = self.size
        budget = DecodeBudget(self._path, len(self._stamps.ticks), width * height)
        for number, packet in numbered:
            if shift := self._stamps.shift(number):
                packet.pts = None if packet.pts is None else packet.pts + shift
                packet.dts = None if packet.dts is None else packet.dts + shift
            with budget:
                frames = _decode_packet(stream, packet)
            yield from frames
        yield from _decode_packet(stream, None)  # what the decoder still holds

    def _timed(self, frames: Iterable[VideoFrame], key: int) -> TimedFrames:
        """Pair the frames that follow a key packet with their times."""
        if self._stamps.ordered:
            yield from zip(np.sort(self._stamps.shown_s[key:]).tolist(), frames, strict=False)
            return
        # Frames leave the decoder in order, but the stamps of neighbours may be swapped where
        # packed B-frames were copied from AVI files: the stamps are put in order.
        step_s = 1 / self._stamps.rate_fps
        waiting: deque[VideoFrame] = deque()
        times_s: list[float] = []
        latest_s = -step_s
        for frame in frames:
            latest_s += step_s
            if frame.pts is not None:
                latest_s = (frame.pts - self._stamps.origin) * self._stamps.tick_s
            waiting.append(frame)
            heapq.heappush(times_s, latest_s)
            if len(waiting) > _REORDER_DEPTH:
                yield heapq.heappop(times_s), waiting.popleft()
        while waiting:
            yield heapq.heappop(times_s), waiting.popleft()


# A long file has many spans, and all of it is read for its index: workers keep the last ones.
@lru_cache(maxsize=4)
def _read_index(path: Path, _stamp: Stamp | None, packets_max: int) -> _Index:
    """Read the index of a file; it is read again where its stamp is another."""
    with open_video(path) as (container, stream):
        stamps = read_stamps(container, stream, packets_max)
        if stamps is None:
            raise VideoError(path, "has no frames")
        # Without stamps of display, the place of a key frame among B-frames is not known.
        seekable = not (stamps.restarts or (stamps.ordered and stream.codec_context.has_b_frames))
        return _Index(stamps, (stream.width, stream.height), seekable)


def _decode_packet(stream: av.VideoStream, packet: Packet | None) -> list[VideoFrame]:
    """Return the frames that a packet completes; none if it is broken."""
    try:
        return list(stream.codec_context.decode(packet))
    except av.FFmpegError as error:
        if isinstance(error, MemoryError):
            raise
        return []
