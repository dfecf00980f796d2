"""The suffixes by which files in folders are known as videos or as images of frames."""

from __future__ import annotations

# fmt: off
VIDEO_SUFFIXES = frozenset((
    ".264", ".265", ".3g2", ".3gp", ".amv", ".asf", ".avi", ".dav", ".divx", ".dv", ".f4v", ".flv",
    ".gif", ".h264", ".h265", ".hevc", ".ivf", ".m1v", ".m2p", ".m2t", ".m2ts", ".m2v", ".m4v",
    ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4", ".mp4v", ".mpe", ".mpeg", ".mpg", ".mpv", ".mts",
    ".mxf", ".nut", ".ogm", ".ogv", ".qt", ".rm", ".rmvb", ".ts", ".vob", ".webm", ".wmv", ".wtv",
    ".xvid", ".y4m",
))
IMAGE_SUFFIXES = frozenset((
    ".bmp", ".jpe", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp",
))
# fmt: on


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
