"""Read a video, or a span of it, frame by frame on a grid of one rate."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from itertools import chain
from pathlib import Path

import numpy as np
from typing_extensions import Self

from vidnas.data.reading.bounds import (
    HOLD_MAX_S,
    RATE_MAX_FPS,
    RATE_TOLERANCE,
    check_bytes,
    check_length,
)
from vidnas.data.reading.errors import VideoError, naming
from vidnas.data.reading.grid import on_grid, span_points
from vidnas.data.reading.images import IMAGES_FPS
from vidnas.data.reading.pictures import Converter, Frames, scaled_size
from vidnas.data.reading.share import Share
from vidnas.data.reading.source import Source, open_source


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
        VideoError: missing, not a video, less than half there, or nothing in the span.
    """
    with stream_video(
        path, size_px=size_px, rate_fps=rate_fps, start_s=start_s, end_s=end_s
    ) as stream:
        return stream.read(), stream.rate_fps


def stream_video(
    path: Path | str,
    *,
    size_px: int | None = None,
    rate_fps: float | None = None,
    start_s: float | None = None,
    end_s: float | None = None,
    images_fps: float | None = None,
    frames_min: int = 1,
    held: bool = True,
) -> VideoStream:
    """Decode a video, or the span [start_s, end_s) of it, frame by frame, on a grid of one rate.

    Every grid point shows the frame that is shown at its time: at the video's own rate, if that is
    constant, each frame appears once; at another rate or a variable one, frames repeat or drop out.
    Pictures are turned and mirrored as the file asks. Times count from the first frame. What is
    broken in a file is left out.

    Args:
        path: any file that FFmpeg can read, or a folder of images, which are the frames.
        size_px: length of the short side after resizing, the aspect kept; None keeps the size.
        rate_fps: rate of the grid; None for the video's own, which a video also keeps where the
            two differ by 5 % at most.
        start_s: start of the span in seconds.
        end_s: end of the span in seconds.
        images_fps: the rate at which a folder of images was recorded; None for that of the grid, so
            that each is one frame, and 25 where that is the video's own.
        frames_min: fewer frames than this are an error.
        held: whether all of its frames are held, in memory or on a disk; what they take in all is
            then bounded.

    Raises:
        VideoError: missing, not a video, or larger than the bounds. The stream raises it, too, when
            less than half of the frames can be decoded, or there is nothing in the span.
    """
    path = Path(path)
    source = open_source(path, images_fps=images_fps or rate_fps or IMAGES_FPS)
    with naming(path):
        return VideoStream(
            path,
            source,
            size_px=size_px,
            rate_fps=rate_fps,
            span_s=(start_s or 0.0, end_s),
            frames_min=frames_min,
            held=held,
        )


class VideoStream:
    """The frames of a video, `(H, W, 3)` uint8, RGB, decoded while one iterates, once.

    A frame that repeats on the grid is the same array again. Closed when the iteration ends or the
    `with` block does.
    """

    def __init__(
        self,
        path: Path,
        source: Source,
        *,
        size_px: int | None,
        rate_fps: float | None,
        span_s: tuple[float, float | None],
        frames_min: int,
        held: bool,
    ) -> None:
        """Stream a video; see `stream_video`."""
        self._path, self._source = path, source
        self.own_rate_fps: float = source.rate_fps
        """The video's own frame rate."""
        grid_fps = rate_fps or source.rate_fps
        self.duration_s: float = source.duration_s
        """How long it lasts as far as its time stamps tell, before anything is decoded."""
        alike = abs(grid_fps / source.rate_fps - 1) <= RATE_TOLERANCE
        self.rate_fps: float = source.rate_fps if alike else grid_fps
        """The rate of the grid."""
        self.point = 0
        """The point of the grid, counted from the start of the video, that the newest frame is
        for: more than frames have come, where the rest of a gap was left out."""
        self._span_s = span_s
        self._share = Share(source.times_s, source.missing_s, source.rate_fps, span_s)
        self._check_bounds(size_px, held=held)
        self._frames = self._decode(size_px, frames_min)

    @property
    def damaged(self) -> float:
        """Share of the frames that could not be decoded; known when the iteration has ended."""
        return self._share.damaged

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
        self._frames.close()

    def read(self) -> Frames:
        """Return all frames, `(T, H, W, 3)`.

        Raises:
            VideoError: see `stream_video`, or they do not fit into memory.
        """
        with naming(self._path):
            first = next(self)  # there is one, or it raises
            frames = np.empty((self._expected, *first.shape), dtype=np.uint8)
            count = 0
            for count, frame in enumerate(chain([first], self), start=1):
                if count > len(frames):
                    frames.resize((count + count // 4, *first.shape), refcheck=False)
                frames[count - 1] = frame
            return frames[:count]

    def _check_bounds(self, size_px: int | None, *, held: bool) -> None:
        if not 0 < self.rate_fps <= RATE_MAX_FPS:
            raise VideoError(
                self._path, f"no usable frame rate ({self.rate_fps:g} frames per second)"
            )
        start_s, end_s = self._span_s
        times_s = self._source.times_s
        within = times_s[(times_s >= start_s) & (times_s < (end_s or math.inf))]
        shown_s = float(np.minimum(np.diff(within), HOLD_MAX_S).sum())
        check_length(self._path, len(within), shown_s * self.rate_fps, self.rate_fps)
        # The last frame is shown for as long as one at the video's own rate.
        self._expected = 1 + round(shown_s * self.rate_fps)
        if held:
            width, height = scaled_size(*self._source.size, size_px)
            check_bytes(self._path, shown_s * self.rate_fps, 3 * width * height)

    def _decode(self, size_px: int | None, frames_min: int) -> Generator[Frames]:
        to_array = Converter(size_px)
        first, last = span_points(*self._span_s, self.rate_fps)
        count = 0
        with naming(self._path):
            shown = on_grid(
                self._share.counted(self._source.frames(first / self.rate_fps)),
                rate_fps=self.rate_fps,
                own_fps=self.own_rate_fps,
                first=first,
                last=last,
            )
            for point, frame in shown:
                self.point = point
                count += 1
                yield to_array(frame)
        self._share.check(self._path)
        if not count:
            start_s, end_s = self._span_s
            span = f" between {start_s:g} s and {end_s:g} s" if end_s else ""
            lasts_s = self._source.duration_s
            raise VideoError(self._path, f"has no frames{span} (the video lasts {lasts_s:.2f} s)")
        if count < frames_min:
            raise VideoError(self._path, "is too short: it has a single frame, as a picture has")
