"""What the headers of video files promise, read without decoding."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

from vidnas.data.datasets import Dataset, Video

_PROBED_VIDEOS = 64


class Header(NamedTuple):
    """Size, frame rate and duration as a file states them; 0 where it does not."""

    short_px: int
    long_px: int
    rate_fps: float
    duration_s: float


def read_header(path: Path) -> Header | None:
    """Read the header of a video file; None if there is none that can be read."""
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            sides = sorted((stream.width, stream.height))
            duration_s = float(container.duration or 0) / av.time_base
            return Header(sides[0], sides[1], float(stream.average_rate or 0), duration_s)
    except (av.FFmpegError, OSError, LookupError):
        return None


def native_size_px(dataset: Dataset) -> int | None:
    """Return the typical short side of the videos; None if no header can be read."""
    headers = (read_header(video.path) for video in _sample(dataset))
    sides = [header.short_px for header in headers if header and header.short_px]
    return int(np.median(sides)) if sides else None


def decoded_bytes(dataset: Dataset, size_px: int) -> float:
    """Estimate how much all frames of the data set need at this short side."""
    probed = [_decoded_bytes(video, size_px) for video in _sample(dataset)]
    return sum(probed) / len(probed) * len(dataset.videos)


def _sample(dataset: Dataset) -> tuple[Video, ...]:
    """Some videos from all over the data set."""
    return dataset.videos[:: max(1, len(dataset.videos) // _PROBED_VIDEOS)]


def _decoded_bytes(video: Video, size_px: int) -> float:
    header = read_header(video.path)
    if header is None or not header.short_px:
        return 0.0
    end_s = header.duration_s if video.end_s is None else video.end_s
    frames = (end_s - (video.start_s or 0)) * header.rate_fps
    return 3 * size_px**2 * header.long_px / header.short_px * frames
