"""Video files in, RGB frames out: exact by time stamp, on a uniform grid, upright."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from vidnas.core import Modality, UserError

_MAX_RATE_FPS = 1000.0
_MAX_GAP_S = 60.0
_REORDER_DEPTH = 4

Frames = NDArray[np.uint8]


class VideoError(UserError):
    """A video that cannot be used: its path, and the reason in a few words."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)  # both in `args`: the error is pickled
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}; replace the video or remove it."


def reject_objects(modalities: Iterable[Modality]) -> None:
    """Reject maps of object classes, which videos do not hold.

    Raises:
        UserError: they are among the modalities.
    """
    if "objects" in modalities:
        raise UserError(
            "The network takes maps of object classes, which vidnas cannot make from a video; call "
            "it from Python with your own maps, or choose a network without an object stream."
        )


def read_video(
    path: Path | str,
    *,
    size_px: int | None = None,
    start_s: float | None = None,
    end_s: float | None = None,
) -> tuple[Frames, float]:
    """Decode a video, or the span [start_s, end_s) of it, on a grid of its nominal frame rate.

    Every grid point shows the frame whose time stamp rounds to it, or the last one before it: at a
    constant rate each frame appears once, at a variable rate frames repeat or drop out. The
    rotation that the file asks for is applied. Times count from the start of the video stream.

    Args:
        path: any file that FFmpeg can read.
        size_px: length of the short side after resizing, the aspect kept; None keeps the size.
        start_s: start of the span in seconds.
        end_s: end of the span in seconds.

    Returns:
        Frames `(T, H, W, 3)`, RGB, and the frame rate of the grid.

    Raises:
        VideoError: missing, not a video, damaged, less than half there, or nothing in the span.
    """
    path = Path(path)
    if not path.is_file():
        raise VideoError(path, "no such file")
    if path.stat().st_size == 0:
        raise VideoError(path, "the file is empty (0 bytes)")
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise VideoError(path, "the file has no video stream")
            return _read(path, container, size_px, start_s, end_s)
    except (av.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise VideoError(path, f"cannot be decoded ({reason})") from error


def _read(
    path: Path,
    container: InputContainer,
    size_px: int | None,
    start_s: float | None,
    end_s: float | None,
) -> tuple[Frames, float]:
    stream = container.streams.video[0]
    # Frame threads can deadlock with FFmpeg's log callback, and workers have one core each.
    stream.thread_type = "SLICE"
    stream.codec_context.thread_count = 1
    rate = float(stream.average_rate or stream.guessed_rate or 0)
    if not 0 < rate <= _MAX_RATE_FPS:
        raise VideoError(path, f"no usable frame rate ({rate:g} frames per second)")
    first = round((start_s or 0) * rate)
    last = None if end_s is None else max(round(end_s * rate), first + 1)

    decoded = _decode_from(container, stream, first, rate)
    to_array = _Converter(size_px)
    frames = [to_array(frame) for frame in _on_grid(path, decoded, rate, first, last)]
    duration_s = _duration_s(container, stream)
    if not frames:
        span = f" between {start_s or 0:g} s and {end_s:g} s" if end_s else ""
        length = f" (the video lasts {duration_s:.2f} s)" if duration_s else ""
        raise VideoError(path, f"has no frames{span}{length}")
    promised = (duration_s * rate if last is None else last) - first
    if len(frames) < promised / 2:
        raise VideoError(
            path, f"is cut off: {len(frames)} of {promised:.0f} expected frames could be decoded"
        )
    return np.stack(frames), rate


def _duration_s(container: InputContainer, stream: VideoStream) -> float:
    """Return the duration that the header states, or 0."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return float(container.duration or 0) / av.time_base


def _decode_from(
    container: InputContainer, stream: VideoStream, first: int, rate: float
) -> Iterator[tuple[int, VideoFrame]]:
    """Decode from the key frame before grid point `first`, or the start if seeking misses it."""
    if first and stream.time_base:
        target = (stream.start_time or 0) + int(first / rate / stream.time_base)
        try:
            container.seek(target, stream=stream)
            frames = _indexed(container.decode(stream), stream, rate)
            head = next(frames, None)
        except av.FFmpegError:
            head = None
        if head is not None and head[0] <= first:
            yield head
            yield from frames
            return
        container.seek(stream.start_time or 0, stream=stream)
    yield from _indexed(container.decode(stream), stream, rate)


def _indexed(
    frames: Iterable[VideoFrame], stream: VideoStream, rate: float
) -> Iterator[tuple[int, VideoFrame]]:
    """Pair frames with their grid points.

    Frames leave the decoder in order, but AVI files with packed B-frames swap the time stamps of
    neighbours: the stamps are put in order over a short window.
    """
    origin_s = float((stream.start_time or 0) * (stream.time_base or 0))
    waiting: deque[VideoFrame] = deque()
    times_s: list[float] = []
    latest_s = origin_s - 1 / rate
    for frame in frames:
        latest_s = latest_s + 1 / rate if frame.time is None else frame.time
        waiting.append(frame)
        heapq.heappush(times_s, latest_s)
        if len(waiting) > _REORDER_DEPTH:
            yield round((heapq.heappop(times_s) - origin_s) * rate), waiting.popleft()
    while waiting:
        yield round((heapq.heappop(times_s) - origin_s) * rate), waiting.popleft()


def _on_grid(
    path: Path,
    decoded: Iterable[tuple[int, VideoFrame]],
    rate: float,
    first: int,
    last: int | None,
) -> Iterator[VideoFrame]:
    """Yield the frame shown at each grid point of [first, last)."""
    shown: VideoFrame | None = None
    shown_from = position = first
    for index, frame in decoded:
        if shown is None:
            position = max(first, index)
        elif index - shown_from > _MAX_GAP_S * rate:
            raise VideoError(path, f"its time stamps jump by more than {_MAX_GAP_S:g} s")
        while shown is not None and position < index:
            if position == last:
                return
            yield shown
            position += 1
        shown, shown_from = frame, index
    if shown is not None and shown_from >= first and position != last:
        yield shown


class _Converter:
    """Resize, convert to RGB and turn upright; one swscale context serves all frames."""

    def __init__(self, size_px: int | None) -> None:
        self._size_px = size_px
        self._reformatter = VideoReformatter()
        self._size: tuple[int, int] | None = None
        self._last: tuple[VideoFrame, Frames] | None = None

    def __call__(self, frame: VideoFrame) -> Frames:
        if self._last is None or self._last[0] is not frame:  # repeated on the grid
            self._last = (frame, self._convert(frame))
        return self._last[1]

    def _convert(self, frame: VideoFrame) -> Frames:
        if self._size is None:
            scale = (self._size_px or min(frame.width, frame.height)) / min(
                frame.width, frame.height
            )
            self._size = (round(frame.width * scale), round(frame.height * scale))
        width, height = self._size
        rgb = self._reformatter.reformat(
            frame, width, height, "rgb24", interpolation=Interpolation.BILINEAR
        )
        image = np.asarray(rgb.to_ndarray(), dtype=np.uint8)
        return np.rot90(image, k=round(frame.rotation / 90))  # both count counterclockwise
