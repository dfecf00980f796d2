"""A folder of frame images, read as a video."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import numpy as np

from vidnas.data.reading.bounds import FRAMES_MAX
from vidnas.data.reading.decoding import TimedFrames
from vidnas.data.reading.errors import VideoError, naming
from vidnas.data.reading.opening import open_video

IMAGE_SUFFIXES = frozenset((".bmp", ".jpeg", ".jpg", ".png", ".webp"))
IMAGES_FPS = 25.0
"""The rate of a folder of images, unless one is given."""


class ImageFolder:
    """The images of a folder in natural order: 2.jpg before 10.jpg."""

    missing_s = 0.0

    def __init__(self, folder: Path, rate_fps: float) -> None:
        """List the images.

        Raises:
            VideoError: there are none.
        """
        with naming(folder):
            images = [
                path
                for path in folder.iterdir()
                if path.suffix.lower() in IMAGE_SUFFIXES and path.name[0] != "."
            ]
        if not images:
            raise VideoError(folder, "the folder has no images")
        self._images = sorted(images, key=_natural)[: FRAMES_MAX + 1]
        self.rate_fps = rate_fps
        self.times_s = np.arange(len(self._images)) / rate_fps
        self.duration_s = len(self._images) / rate_fps
        self.size = self._first_size(folder)

    def frames(self, from_s: float) -> TimedFrames:
        """Yield the images with their times, beginning before `from_s`; leave out broken ones."""
        first = max(0, int(from_s * self.rate_fps) - 1)
        for time_s, path in zip(self.times_s[first:].tolist(), self._images[first:], strict=True):
            with suppress(VideoError), open_video(path) as (container, stream):
                yield time_s, next(container.decode(stream))

    def _first_size(self, folder: Path) -> tuple[int, int]:
        for path in self._images:
            with suppress(VideoError), open_video(path) as (_, stream):
                return stream.width, stream.height
        raise VideoError(folder, "none of its images can be decoded")


def _natural(path: Path) -> list[tuple[int, str]]:
    """Return a key that sorts names with numbers by their numbers."""
    parts = re.split(r"([0-9]+)", path.name)
    return [(int(part) if part.isdecimal() else -1, part) for part in parts]
