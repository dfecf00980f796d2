"""What can be read as a video: a file, or a folder of images."""

from __future__ import annotations

from pathlib import Path

from vidnas.data.reading.bounds import FRAMES_MAX
from vidnas.data.reading.decoding import VideoFile
from vidnas.data.reading.errors import naming
from vidnas.data.reading.images import IMAGES_FPS, ImageFolder

Source = VideoFile | ImageFolder


def open_source(
    path: Path, *, images_fps: float = IMAGES_FPS, packets_max: int = FRAMES_MAX + 1
) -> Source:
    """Find out what a video is like without decoding it.

    Args:
        path: a file or a folder of images.
        images_fps: the rate at which a folder of images was recorded.
        packets_max: how much of a file to look at; the duration is then an estimate.

    Raises:
        VideoError: there is no video.
    """
    with naming(path):
        return ImageFolder(path, images_fps) if path.is_dir() else VideoFile(path, packets_max)
