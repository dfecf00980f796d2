"""What one video may cost: its header decides neither memory, nor disk, nor time."""

from __future__ import annotations

import time
from pathlib import Path

from vidnas.core.quantities import format_bytes
from vidnas.data.reading.errors import VideoError

PIXELS_MAX = 8192 * 4320
"""Pixels of a frame: 8K."""
_ASPECT_MAX = 32
FRAMES_MAX = 1_000_000
"""Frames on the grid, and packets in the file: four hours at 60 frames per second."""
_BYTES_MAX = 128 << 30
HOLD_MAX_S = 10.0
"""How long a frame is repeated at most; the rest of a longer gap is left out."""
_REPEATS_MAX = 32
RATE_MAX_FPS = 1000.0
RATE_TOLERANCE = 0.05
"""Rates that differ by this share are one: a video keeps its frames on such a grid."""
SHARE_MIN = 0.5
"""The share of its frames that a video must have to be used."""
WORKER_BYTES = 2 << 30
"""What a process that decodes may allocate: a 4K video takes a quarter of it."""


def check_size(path: Path, width: int, height: int) -> None:
    """Check the size of frames.

    Raises:
        VideoError: they are too large, too narrow, or have no size.
    """
    if width < 1 or height < 1:
        raise VideoError(path, "its frames have no size")
    if width * height > PIXELS_MAX:
        raise VideoError(
            path, f"its frames of {width} x {height} pixels are larger than 8K (8192 x 4320)"
        )
    if max(width, height) > _ASPECT_MAX * min(width, height):
        raise VideoError(
            path,
            f"its frames of {width} x {height} pixels are more than {_ASPECT_MAX} times as long as "
            "wide",
        )


def check_length(path: Path, recorded: int, promised: float, rate_fps: float) -> None:
    """Check how many frames a video has on the grid, `promised`, for so many `recorded` ones.

    Raises:
        VideoError: too many in all, or for what was recorded.
    """
    if promised > FRAMES_MAX:
        raise VideoError(path, f"is longer than {FRAMES_MAX} frames at {rate_fps:.4g} per second")
    if promised > _REPEATS_MAX * max(recorded, 2):
        raise VideoError(
            path,
            f"has {recorded} frames, which would become {promised:.0f} at {rate_fps:.4g} per "
            f"second: more than {_REPEATS_MAX} times as many",
        )


def check_bytes(path: Path, promised: float, frame_bytes: int) -> None:
    """Check what the frames of a video take in all.

    Raises:
        VideoError: more than a video may take.
    """
    if promised * frame_bytes > _BYTES_MAX:
        raise VideoError(
            path,
            f"would take {format_bytes(promised * frame_bytes)} decoded, more than the "
            f"{format_bytes(_BYTES_MAX)} that a video may take",
        )


class DecodeBudget:
    """CPU time for decoding a video: a minute, and ten times what a slow codec needs.

    What is done in a `with` block counts.
    """

    def __init__(self, path: Path, packets: int, pixels: int) -> None:
        self._path = path
        self._limit_s = 60 + packets * (0.02 + 100e-9 * pixels)
        self._left_s = self._limit_s

    def __enter__(self) -> None:
        self._left_s += time.thread_time()

    def __exit__(self, *_: object) -> None:
        self._left_s -= time.thread_time()
        if self._left_s < 0:
            raise VideoError(
                self._path, f"takes longer than {self._limit_s:.0f} s of CPU time to decode"
            )
