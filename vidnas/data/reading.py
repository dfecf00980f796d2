"""Video files in, RGB frames out: exact by time stamp, on a uniform grid, upright."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray
from typing_extensions import Self

from vidnas.core import Modality, UserError

# fmt: off
VIDEO_SUFFIXES = frozenset((
    ".3gp", ".asf", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg",
    ".mpg", ".mts", ".ogv", ".ts", ".vob", ".webm", ".wmv",
))
# fmt: on
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
    rate_fps: float | None = None,
    start_s: float | None = None,
    end_s: float | None = None,
) -> tuple[Frames, float]:
    """Decode a video, or the span [start_s, end_s) of it, at once; see `stream_video`.

    Returns:
        Frames `(T, H, W, 3)`, RGB, and the frame rate of the grid.

    Raises:
        VideoError: missing, not a video, damaged, less than half there, or nothing in the span.
    """
    with stream_video(
        path, size_px=size_px, rate_fps=rate_fps, start_s=start_s, end_s=end_s
    ) as stream:
        return np.stack(list(stream)), stream.rate_fps


def stream_video(
    path: Path | str,
    *,
    size_px: int | None = None,
    rate_fps: float | None = None,
    start_s: float | None = None,
    end_s: float | None = None,
    frames_min: int = 1,
) -> VideoStream:
    """Decode a video, or the span [start_s, end_s) of it, frame by frame, on a grid of one rate.

    Every grid point shows the frame whose time stamp rounds to it, or the last one before it: at a
    constant rate each frame appears once, at a variable rate frames repeat or drop out. The
    rotation that the file asks for is applied. Times count from the start of the video stream.

    Args:
        path: any file that FFmpeg can read.
        size_px: length of the short side after resizing, the aspect kept; None keeps the size.
        rate_fps: rate of the grid; None for the video's own.
        start_s: start of the span in seconds.
        end_s: end of the span in seconds.
        frames_min: fewer frames than this are an error.

    Raises:
        VideoError: missing, not a video, or without a usable frame rate. The stream raises it too,
            when it is damaged, less than half there, or there is nothing in the span.
    """
    return VideoStream(Path(path), size_px, rate_fps, (start_s, end_s), frames_min)


class VideoStream:
    """The frames of a video, `(H, W, 3)` uint8, RGB, decoded while one iterates, once.

    A frame that repeats on the grid is the same array again. Closed when the iteration ends or the
    `with` block does.
    """

    def __init__(
        self,
        path: Path,
        size_px: int | None,
        rate_fps: float | None,
        span_s: tuple[float | None, float | None],
        frames_min: int,
    ) -> None:
        """Open a video; see `stream_video`."""
        self.path = path
        self._size_px = size_px
        self._span_s = span_s
        self._frames_min = frames_min
        if not path.is_file():
            raise VideoError(path, "no such file")
        if path.stat().st_size == 0:
            raise VideoError(path, "the file is empty (0 bytes)")
        with _naming(path):
            self._container = av.open(str(path))
        try:
            if not self._container.streams.video:
                raise VideoError(path, "the file has no video stream")
            self._stream = self._container.streams.video[0]
            self.own_rate_fps = float(self._stream.average_rate or self._stream.guessed_rate or 0)
            """The video's own frame rate."""
            self.rate_fps = rate_fps or self.own_rate_fps
            """The rate of the grid."""
            if not 0 < self.rate_fps <= _MAX_RATE_FPS:
                raise VideoError(
                    path, f"no usable frame rate ({self.rate_fps:g} frames per second)"
                )
        except VideoError:
            self.close()
            raise
        self.damaged = 0.0
        """Share of the frames that could not be decoded; known when the iteration has ended."""
        self._frames = self._decode()

    def __iter__(self) -> Iterator[Frames]:
        return self

    def __next__(self) -> Frames:
        return next(self._frames)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the file."""
        self._container.close()

    def _decode(self) -> Iterator[Frames]:
        start_s, end_s = self._span_s
        container, stream, rate = self._container, self._stream, self.rate_fps
        # Frame threads can deadlock with FFmpeg's log callback, and workers have one core each.
        stream.thread_type = "SLICE"
        stream.codec_context.thread_count = 1
        first = round((start_s or 0) * rate)
        last = None if end_s is None else max(round(end_s * rate), first + 1)
        to_array = _Converter(self._size_px)
        count = 0
        with _naming(self.path), container:
            decoded = _decode_from(container, stream, first, rate)
            for frame in _on_grid(self.path, decoded, rate, first, last):
                count += 1
                yield to_array(frame)
            duration_s = _duration_s(container, stream)
        if not count:
            span = f" between {start_s or 0:g} s and {end_s:g} s" if end_s else ""
            length = f" (the video lasts {duration_s:.2f} s)" if duration_s else ""
            raise VideoError(self.path, f"has no frames{span}{length}")
        promised = (duration_s * rate if last is None else last) - first
        if count < promised / 2:
            raise VideoError(
                self.path,
                f"is cut off: {count} of {promised:.0f} expected frames could be decoded",
            )
        if count < self._frames_min:
            raise VideoError(self.path, "is too short: it has a single frame")


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turn what goes wrong with a file into an error that names it."""
    try:
        yield
    except (av.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise VideoError(path, f"cannot be decoded ({reason})") from error


def _duration_s(container: InputContainer, stream: av.VideoStream) -> float:
    """Return the duration that the header states, or 0."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return float(container.duration or 0) / av.time_base


def _decode_from(
    container: InputContainer, stream: av.VideoStream, first: int, rate: float
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
    frames: Iterable[VideoFrame], stream: av.VideoStream, rate: float
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
