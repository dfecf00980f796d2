"""Video files in, RGB frames out: exact by time stamp, on a uniform grid, upright, bounded."""

from vidnas.data.reading.bounds import RATE_TOLERANCE
from vidnas.data.reading.errors import VideoError, reject_objects
from vidnas.data.reading.images import IMAGE_SUFFIXES, IMAGES_FPS
from vidnas.data.reading.pictures import Frames
from vidnas.data.reading.share import damage
from vidnas.data.reading.streaming import VideoStream, read_video, stream_video

# fmt: off
VIDEO_SUFFIXES = frozenset((
    ".264", ".265", ".3g2", ".3gp", ".amv", ".asf", ".av1", ".avi", ".dav", ".divx", ".dv", ".f4v",
    ".flv", ".gif", ".h264", ".h265", ".hevc", ".ivf", ".m1v", ".m2ts", ".m2v", ".m4v", ".mjpeg",
    ".mjpg", ".mkv", ".mov", ".mp4", ".mpe", ".mpeg", ".mpg", ".mpv", ".mts", ".mxf", ".nut",
    ".obu", ".ogg", ".ogv", ".qt", ".rm", ".rmvb", ".ts", ".vob", ".webm", ".wmv", ".y4m",
))
# fmt: on

__all__ = [
    "IMAGES_FPS",
    "IMAGE_SUFFIXES",
    "RATE_TOLERANCE",
    "VIDEO_SUFFIXES",
    "Frames",
    "VideoError",
    "VideoStream",
    "damage",
    "read_video",
    "reject_objects",
    "stream_video",
]
