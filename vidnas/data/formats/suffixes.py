"""Which files in folders are taken for videos, and which for images of frames."""

from __future__ import annotations

from vidnas.data.reading import IMAGE_SUFFIXES, VIDEO_SUFFIXES


def is_video_name(name: str) -> bool:
    """Return whether a file of this name is taken for a video."""
    return _suffix(name) in VIDEO_SUFFIXES


def is_image_name(name: str) -> bool:
    """Return whether a file of this name is taken for the image of a frame."""
    return _suffix(name) in IMAGE_SUFFIXES


def _suffix(name: str) -> str:
    # `Path(name).suffix` takes ten times as long, and folders hold many files.
    _, point, ending = name.rpartition(".")
    return point + ending.lower()
