"""Small videos whose every frame is known."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def encode(
    path: Path,
    levels: Sequence[int],
    *,
    rate: int = 10,
    codec: str = "libx264",
    ticks: Sequence[int] | None = None,
    size: tuple[int, int] = (64, 48),
    options: dict[str, str] | None = None,
    pix_fmt: str = "yuv420p",
    metadata: dict[str, str] | None = None,
) -> Path:
    """Write a video of one grey level a frame; `ticks` are its time stamps in 1 / rate seconds.

    The left half of the top quarter is white, so that rotations show.
    """
    with av.open(str(path), "w", options=options or {}) as container:
        container.metadata.update(metadata or {})
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height = size
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = Fraction(1, rate)
        for index, level in enumerate(levels):
            image = np.full((size[1], size[0], 3), level, dtype=np.uint8)
            image[: size[1] // 4, : size[0] // 2] = 255
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = index if ticks is None else ticks[index]
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def levels_of(frames: np.ndarray) -> list[int]:
    """The grey level of each frame, rounded to the tens that the tests use."""
    return [int(round(frame[frame.shape[0] // 2 :].mean() / 10) * 10) for frame in frames]
