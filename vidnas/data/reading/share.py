"""How much of what a video promises can be decoded."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from vidnas.data.reading.bounds import SHARE_MIN
from vidnas.data.reading.errors import VideoError
from vidnas.data.reading.grid import grid_point, span_points


def damage(share: float) -> str:
    """Say what share of the frames of a video is damaged."""
    return f"is damaged: {share:.1%} of its frames cannot be decoded and are left out"


class Share:
    """Counts the frames of a span at the video's own rate: those promised and those decoded.

    Frames that lie closer than half a step are one: some packets hold only a field of a frame.
    """

    def __init__(
        self,
        times_s: NDArray[np.float64],
        missing_s: float,
        own_fps: float,
        span_s: tuple[float, float | None],
    ) -> None:
        """Count what is promised: the frames whose packets are there, and the missing rest."""
        self._own_fps = own_fps
        first, last = span_points(*span_s, own_fps)
        self._points = first, sys.maxsize if last is None else last
        points = np.unique(np.rint(times_s * own_fps))
        there = int(((points >= self._points[0]) & (points < self._points[1])).sum())
        end = (points[-1] if len(points) else 0) + 1
        rest = min(end + round(missing_s * own_fps), self._points[1]) - max(end, self._points[0])
        self._missing = max(0, int(rest))
        self._promised = there + self._missing
        self._decoded = 0

    def counted(
        self, timed: Iterable[tuple[float, VideoFrame]]
    ) -> Iterator[tuple[float, VideoFrame]]:
        """Pass frames on and count them."""
        latest = -1
        first, last = self._points
        for time_s, frame in timed:
            point = grid_point(time_s, self._own_fps, self._own_fps)
            self._decoded += first <= point < last and point > latest
            latest = max(latest, point)
            yield time_s, frame

    @property
    def damaged(self) -> float:
        """The share of the promised frames that was not decoded."""
        return max(0.0, 1 - self._decoded / self._promised) if self._promised else 0.0

    def check(self, path: Path) -> None:
        """Check that enough was decoded.

        Raises:
            VideoError: less than half.
        """
        if self.damaged > 1 - SHARE_MIN:
            how = "cut off" if self._missing > self._promised / 4 else "damaged"
            raise VideoError(
                path,
                f"is {how}: {self._decoded} of {self._promised} expected frames could be decoded",
            )
