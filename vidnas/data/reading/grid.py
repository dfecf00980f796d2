"""Frames at arbitrary times, put on a grid of one rate."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator

from av.video.frame import VideoFrame

from vidnas.data.reading.bounds import HOLD_MAX_S, RATE_TOLERANCE

_AHEAD_S = 0.2
"""How far the frames of a live video may run ahead of their times: those that a network held up
come all at once, and each still has a point of its own."""


def grid_point(time_s: float, rate_fps: float, own_fps: float) -> int:
    """Return the first point of the grid that shows the frame of a time, or one after it.

    Stamps are rounded in files, so a point already shows the frame that comes less than half a
    frame later: at the video's own rate the nearest one.
    """
    return round(time_s * rate_fps + 0.5 - 0.5 * min(1.0, rate_fps / own_fps))


class ArrivalPoints:
    """The points of the grid from which on the frames of a live video are shown.

    At about the rate of the grid each frame has a point of its own. One that comes late leaves
    points behind at which the frame before is still shown: a camera sends fewer in the dark. Of a
    camera that sends more than it says, what comes too early is left out. Where no rate is asked
    for, frames are counted.

    Args:
        rate_fps: of the grid; None for the stream's own.
        own_fps: what the stream says of its rate.
        counted: whether the stamps of the stream only count its frames, whenever these come: what
            it says of its rate means nothing then.
    """

    def __init__(self, rate_fps: float | None, own_fps: float, *, counted: bool) -> None:
        self._own_fps = rate_fps if counted and rate_fps is not None else own_fps
        differs = rate_fps is not None and abs(rate_fps / self._own_fps - 1) > RATE_TOLERANCE
        self.replaced = differs
        """Whether several frames may come for one point, of which the last counts."""
        self._rate_fps = None if rate_fps is None else rate_fps if differs else self._own_fps
        self._last = -1

    def of(self, time_s: float) -> int | None:
        """Return the point of the next frame, which is of this time in the stream; None where it
        comes too early to be shown."""
        point = self._last + 1
        if self._rate_fps is not None:
            timed = grid_point(time_s, self._rate_fps, self._own_fps)
            if not self.replaced and point > timed + _AHEAD_S * self._rate_fps:
                return None
            point = timed if self.replaced else max(point, timed)
        self._last = point
        return point


def span_points(start_s: float, end_s: float | None, rate_fps: float) -> tuple[int, int | None]:
    """Return the grid points of the span [start_s, end_s): one at least."""
    first = round(max(0.0, start_s) * rate_fps)
    return first, None if end_s is None else max(round(end_s * rate_fps), first + 1)


def on_grid(
    timed: Iterable[tuple[float, VideoFrame]],
    *,
    rate_fps: float,
    own_fps: float,
    first: int,
    last: int | None,
) -> Iterator[tuple[int, VideoFrame]]:
    """Yield each grid point of [first, last) and the frame that is shown there.

    A frame is shown until the next one, the first also before its time, the last for one frame's
    time at the video's own rate; but none for longer than a bound: the rest of a gap is left out.
    """
    hold = math.ceil(HOLD_MAX_S * rate_fps)
    last = sys.maxsize if last is None else last
    shown: VideoFrame | None = None
    position = shown_from = end = first
    for time_s, frame in timed:
        index = grid_point(time_s, rate_fps, own_fps)
        if shown is None:
            position = max(first, index - hold)
        else:
            for point in range(position, min(index, max(first, shown_from) + hold, last)):
                yield point, shown
            position = max(position, index)
            if position >= last:
                return
        shown, shown_from = frame, index
        end = grid_point(time_s + 1 / own_fps, rate_fps, own_fps)
    if shown is not None:
        for point in range(position, min(end, max(first, shown_from) + hold, last)):
            yield point, shown
