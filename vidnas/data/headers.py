"""What videos are like, from their first packets: headers alone leave out much or are wrong."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from vidnas.data.datasets import Dataset, Video
from vidnas.data.reading import IMAGES_FPS, RATE_TOLERANCE, VideoError
from vidnas.data.reading.source import open_source

_PROBED_VIDEOS = 64
_PROBED_PACKETS = 3000


class Header(NamedTuple):
    """Size, frame rate and duration of a video."""

    short_px: int
    long_px: int
    rate_fps: float
    duration_s: float


class GridRate(NamedTuple):
    """The frame rate on which the videos of a data set are read, and those that they have."""

    rate_fps: float
    slowest_fps: float
    fastest_fps: float

    @property
    def remark(self) -> str | None:
        """What a person should know: that some are read at another rate than theirs."""
        if self.fastest_fps <= self.slowest_fps * (1 + RATE_TOLERANCE):
            return None
        return (
            f"The videos have {self.slowest_fps:.4g} to {self.fastest_fps:.4g} frames per second; "
            f"all are read at {self.rate_fps:.4g}, so that motion has one speed."
        )


def read_header(path: Path, images_fps: float = IMAGES_FPS) -> Header | None:
    """Return what a video is like; None if it cannot be read.

    Args:
        path: a file or a folder of images.
        images_fps: the rate at which a folder of images was recorded.
    """
    try:
        source = open_source(path, images_fps=images_fps, packets_max=_PROBED_PACKETS)
    except VideoError:
        return None
    sides = sorted(source.size)
    return Header(sides[0], sides[1], source.rate_fps, source.duration_s)


def native_size_px(dataset: Dataset) -> int | None:
    """Return the typical short side of the videos; None if none can be read."""
    headers = (read_header(video.path, video.images_fps) for video in _sample(dataset))
    sides = [header.short_px for header in headers if header]
    return int(np.median(sides)) if sides else None


def grid_rate(dataset: Dataset) -> GridRate | None:
    """Choose the rate for a data set: the median of those of its videos; None if none can be read.

    A clip's stride then means the same time in all of them.
    """
    headers = (read_header(video.path, video.images_fps) for video in _sample(dataset))
    rates = sorted(round(header.rate_fps, 3) for header in headers if header)
    # A rate that videos have, so that these keep their frames: not a mean of two.
    return GridRate(rates[(len(rates) - 1) // 2], rates[0], rates[-1]) if rates else None


def decoded_bytes(dataset: Dataset, size_px: int, rate_fps: float | None = None) -> float:
    """Estimate how much all frames of the data set need at this short side.

    Args:
        dataset: labelled videos.
        size_px: short side of the frames.
        rate_fps: the rate at which they are read; None for their own.
    """
    probed = [_decoded_bytes(video, size_px, rate_fps) for video in _sample(dataset)]
    known = [size for size in probed if size is not None]
    return sum(known) / len(known) * len(dataset.videos) if known else 0.0


def _sample(dataset: Dataset) -> tuple[Video, ...]:
    """Some videos from all over the data set."""
    return dataset.videos[:: max(1, len(dataset.videos) // _PROBED_VIDEOS)]


def _decoded_bytes(video: Video, size_px: int, rate_fps: float | None) -> float | None:
    header = read_header(video.path, video.images_fps)
    if header is None:
        return None
    end_s = header.duration_s if video.end_s is None else min(video.end_s, header.duration_s)
    frames = max(0.0, end_s - (video.start_s or 0)) * (rate_fps or header.rate_fps)
    return 3 * size_px**2 * header.long_px / header.short_px * frames
