"""The newest frames of a live video: read in a thread of its own, none of them ever queued."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Condition, Event, Thread

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from typing_extensions import Self

from vidnas.data.flow import FlowMethod, Shown
from vidnas.data.live_flow import Arrival, LiveFlow
from vidnas.data.reading.bounds import HOLD_MAX_S
from vidnas.data.reading.errors import VideoError
from vidnas.data.reading.grid import ArrivalPoints
from vidnas.data.reading.live import TIMEOUT_S, LiveSource, open_live
from vidnas.data.reading.opening import Packet
from vidnas.data.reading.pictures import Converter
from vidnas.data.reading.rates import unproven_rate

_LATE_S = 1.0
"""What is later than this is not decoded: so much may wait on the way, and no more."""
_FAILURES_MAX = 64
_NOTHING_YET_S = 0.005
_COUNTED_FORMATS = ("mpjpeg", "mjpeg")
"""Formats of cameras whose stamps only count frames, whenever these come."""


@dataclass(frozen=True)
class Recent:
    """The newest frames at some moment."""

    frames: list[Shown]
    """The oldest first."""
    pictures: list[int]
    """Which picture of the stream each of them shows, from 1 on; of several that came for one point
    of the grid, the first."""
    number: int
    """How many frames have come so far, on the grid."""
    came: int
    """How many pictures of the stream have been decoded so far."""
    time_s: float
    """The time of the newest in the stream, which begins at 0."""
    seen_s: float
    """When the newest was there to be seen, by `time.monotonic`."""
    undecoded: int
    """Pictures of the stream that came too late to be decoded."""


class StreamClock:
    """When the frames of a stream were there to be seen, by the clock of this machine.

    The fastest delivery of the last 30 to 60 s tells how the stamps of the stream relate to that
    clock: a frame that comes later by its stamp has waited somewhere. It is forgotten then, since
    clocks drift.
    """

    _SPAN_S = 30.0

    def __init__(self) -> None:
        self._before_s = self._offset_s = float("inf")
        self._began_s = time.monotonic()

    def saw(self, stamp_s: float, now_s: float) -> None:
        """Take the stamp of what arrives now."""
        if now_s - self._began_s > self._SPAN_S:
            self._before_s, self._offset_s, self._began_s = self._offset_s, float("inf"), now_s
        self._offset_s = min(self._offset_s, now_s - stamp_s)

    def at(self, stamp_s: float) -> float:
        """Return when the frame of a stamp was there to be seen."""
        return stamp_s + min(self._before_s, self._offset_s)


class LiveFrames:
    """Reads a live video for as long as the `with` block lasts, and keeps its newest frames.

    Frames lie on a grid of one rate, as those of files do. Where decoding falls behind the stream,
    what is late is left out up to the next key frame.
    """

    def __init__(
        self,
        source: LiveSource,
        *,
        size_px: int,
        rate_fps: float | None,
        keep: int,
        flow_method: FlowMethod | None = None,
    ) -> None:
        """Read frames of a live video.

        Args:
            source: a camera or a stream.
            size_px: their short side.
            rate_fps: the rate of the grid; None for the stream's own.
            keep: how many frames are kept.
            flow_method: how their flow is estimated; None for none. With flow, a frame has come
                when the next one is there.
        """
        self._source, self._size_px, self._rate_fps = source, size_px, rate_fps
        self._flow_method = flow_method
        self._recent: deque[tuple[Shown, int]] = deque(maxlen=keep)
        self._number = self._came = self._undecoded = 0
        self._point = -1
        self._time_s = self._seen_s = 0.0
        self._changed = Condition()
        self._stop = Event()
        self._ended = False
        self._error: BaseException | None = None
        self._thread = Thread(target=self._run, name=str(source), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        # A read that gets no answer ends with its own time limit, and the process need not wait.
        self._thread.join(timeout=1)

    def wait(self, number: int) -> Recent | None:
        """Wait until so many frames have come; return the newest, or None where the stream ends
        before.

        Raises:
            UserError: it cannot be opened, or broke off.
        """
        with self._changed:
            while self._number < number and not self._ended:
                self._changed.wait(timeout=0.5)  # so that Ctrl-C is heard
            if self._number < number:
                if self._error is not None:
                    raise self._error
                return None
            return Recent(
                frames=[shown for shown, _ in self._recent],
                pictures=[picture for _, picture in self._recent],
                number=self._number,
                came=self._came,
                time_s=self._time_s,
                seen_s=self._seen_s,
                undecoded=self._undecoded,
            )

    def _run(self) -> None:
        try:
            with open_live(self._source) as (container, stream):
                self._read(container, stream)
        except BaseException as error:
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _read(self, container: InputContainer, stream: av.VideoStream) -> None:
        own_fps = unproven_rate([float(r) for r in (stream.average_rate, stream.guessed_rate) if r])
        tick_s = float(stream.time_base or 0)
        is_file = self._source.scheme == "file"
        stamps = _Stamps(
            tick_s,
            counted=container.format.name in _COUNTED_FORMATS and not is_file,
            step_s=1 / own_fps if is_file else None,
        )
        points = ArrivalPoints(self._rate_fps, own_fps, counted=stamps.counted)
        to_array, method = Converter(self._size_px), self._flow_method
        flow = None if method is None else LiveFlow(method, replaced=points.replaced)
        paced = self._source.own_pace and not stamps.counted
        came = 0
        for packet in self._in_time(container, stream, stamps, paced):
            for frame in _decoded(stream, packet):
                time_s = stamps.time_of(frame)
                if paced:
                    self._stop.wait(
                        min(max(0.0, stamps.clock.at(time_s) - time.monotonic()), HOLD_MAX_S)
                    )
                    stamps.clock.saw(time_s, time.monotonic())
                if self._stop.is_set():
                    return
                came += 1
                point, seen_s = points.of(time_s), stamps.clock.at(time_s)
                if point is None:
                    continue
                new = Arrival(to_array(frame), point, came, time_s, seen_s)
                for one in [new] if flow is None else flow.take(new, frame):
                    self._keep(one)
        for one in [] if flow is None else flow.rest():
            self._keep(one)

    def _in_time(
        self,
        container: InputContainer,
        stream: av.VideoStream,
        stamps: _Stamps,
        paced: bool,
    ) -> Iterator[Packet | None]:
        """Yield the packets to decode: all, or where those that arrive are late, few."""
        skips, decoded_s = False, 0.0
        for packet in _demuxed(container, stream):
            now_s = time.monotonic()
            time_s = stamps.arrived(packet, now_s, paced=paced)
            late = now_s - stamps.clock.at(time_s) > _LATE_S
            # Even of a stream that is always late, a picture a second is seen.
            due = packet.is_keyframe and (not late or now_s - decoded_s > _LATE_S)
            if (late or skips) and not due:
                skips = True
                with self._changed:
                    self._undecoded += 1
                continue
            skips, decoded_s = False, now_s
            stamps.put(packet)
            yield packet
        yield None  # what the decoder still holds

    def _keep(self, new: Arrival) -> None:
        shown = new.picture, new.flow
        with self._changed:
            if not self._recent:
                self._point = new.point - 1
            if new.point > self._point:
                missed = new.point - self._point - 1  # what is shown there is the frame before
                for _ in range(min(missed, self._recent.maxlen or 0)):
                    self._recent.append(self._recent[-1])
                self._recent.append((shown, new.number))
                self._number += missed + 1
                self._point = new.point
            else:
                self._recent[-1] = shown, self._recent[-1][1]
            self._came, self._time_s, self._seen_s = new.number, new.time_s, new.seen_s
            self._changed.notify_all()


class _Stamps:
    """The times of a stream, from 0 on, whatever its stamps begin with or jump to.

    Where a picture has none, it is of the time at which it came, or in a file so much later than
    the one before.
    """

    def __init__(self, tick_s: float, *, counted: bool, step_s: float | None) -> None:
        self._tick_s, self._step_s = tick_s, step_s
        self.counted = counted or not tick_s
        self.clock = StreamClock()
        self._origin_s: float | None = None
        self._latest_s = 0.0

    def arrived(self, packet: Packet, now_s: float, *, paced: bool) -> float:
        """Return the time of a packet that arrives now."""
        stamp = packet.dts if packet.pts is None else packet.pts
        own_s = now_s if self.counted or stamp is None else stamp * self._tick_s
        if stamp is None and self._step_s is not None:
            own_s = (
                0.0 if self._origin_s is None else self._origin_s + self._latest_s + self._step_s
            )
        if self._origin_s is None:
            self._origin_s = own_s
            self.clock.saw(0.0, now_s)
        elif abs(own_s - self._origin_s - self._latest_s) > HOLD_MAX_S:  # it began anew
            self._origin_s = own_s - self._latest_s
            self.clock = StreamClock()
            self.clock.saw(self._latest_s, now_s)
        self._latest_s = own_s - self._origin_s
        if not paced:
            self.clock.saw(self._latest_s, now_s)
        return self._latest_s

    def put(self, packet: Packet) -> None:
        """Let the stamps of the packet that has just arrived tell its time, and so those of its
        frames: when these leave the decoder, the stamps of the stream may have begun anew."""
        if self.counted:
            return
        origin = round((self._origin_s or 0.0) / self._tick_s)
        packet.pts = None if packet.pts is None else packet.pts - origin
        packet.dts = None if packet.dts is None else packet.dts - origin

    def time_of(self, frame: VideoFrame) -> float:
        """Return the time of a frame that was decoded."""
        if self.counted or frame.pts is None:
            return self._latest_s
        return frame.pts * self._tick_s


def _demuxed(container: InputContainer, stream: av.VideoStream) -> Iterator[Packet]:
    """Yield packets; what of a stream is damaged is left out, unless nothing else comes."""
    failed, heard_s = 0, time.monotonic()
    while failed < _FAILURES_MAX:
        try:
            for packet in container.demux(stream):
                if packet.size:  # an empty one would end the decoder's work
                    failed = 0
                    yield packet
                    heard_s = time.monotonic()
        except av.error.InvalidDataError:
            failed += 1
        except av.error.BlockingIOError:  # a camera of macOS, while it has no new picture
            if time.monotonic() - heard_s > TIMEOUT_S:
                raise
            time.sleep(_NOTHING_YET_S)
        else:
            return
    raise VideoError(Path(), "sends damaged data only")


def _decoded(stream: av.VideoStream, packet: Packet | None) -> list[VideoFrame]:
    with suppress(av.error.InvalidDataError):
        return list(stream.codec_context.decode(packet))
    return []
