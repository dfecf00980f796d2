"""Cameras and network streams, opened by what people call them."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

import av
from av.container import InputContainer

from vidnas.core import UserError
from vidnas.data.reading.bounds import check_size
from vidnas.data.reading.errors import VideoError
from vidnas.data.reading.opening import DECODING, open_video, video_stream

TIMEOUT_S = 10.0
_TIMEOUTS_S = (TIMEOUT_S, TIMEOUT_S)
"""To open, and for each read."""
_RTP = "rtp,rtcp,udp,tcp,tls,rtsp,rtsps"
_WEB = "http,https,tcp,tls,crypto"
_PROTOCOLS = {
    "rtsp": _RTP,
    "rtsps": _RTP,
    "rtmp": "rtmp,tcp",
    "rtmps": "rtmps,tcp,tls",
    "http": _WEB,
    "https": _WEB,
    "tcp": "tcp",
    "udp": "udp",
    "srt": "srt",
}
"""What FFmpeg may use for an address, so that no stream leads it to files or to other services."""
_OWN_PACE = ("http", "https", "file")
"""What may arrive faster than it plays."""
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]*)://.", re.IGNORECASE | re.DOTALL)
_CAMERA = re.compile(r"[0-9]{1,2}|/dev/video[0-9]+")
_MACOS_RATES_FPS = (30, 60, 15)


@dataclass(frozen=True)
class LiveSource:
    """A camera, a network stream, or a file that is played as if it were one."""

    address: str = field(repr=False)
    """May hold a password."""

    @property
    def scheme(self) -> str:
        """The scheme of the address in lower case; empty for a camera."""
        found = _ADDRESS.match(self.address)
        return found[1].lower() if found else ""

    @property
    def own_pace(self) -> bool:
        """Whether frames are held back until it is their time."""
        return self.scheme in _OWN_PACE

    def __str__(self) -> str:
        """What people are told of it: without user, password, and what follows the path."""
        if not self.scheme:
            return f"camera {self.address}"
        parts = urlsplit(self.address)
        host = parts.netloc.rpartition("@")[2]
        return f"{parts.scheme}://{host}{parts.path}"


def live_source(text: str) -> LiveSource | None:
    """Return the camera or stream that a text names, or None where it names a file or folder.

    A camera is a number, such as 0, where no file or folder has that name, or a device; a stream an
    address, such as rtsp://host/path; file://clip.mp4 plays a file as a camera would.
    """
    if _ADDRESS.match(text):
        return LiveSource(text)
    if _CAMERA.fullmatch(text) and not (Path(text).is_file() or Path(text).is_dir()):
        return LiveSource(text)
    return None


@contextmanager
def open_live(source: LiveSource) -> Iterator[tuple[InputContainer, av.VideoStream]]:
    """Open the video of a camera or a stream, and name it in whatever goes wrong in the block.

    Raises:
        UserError: it cannot be reached, does not answer, has no video, breaks off, or its frames
            are too large.
    """
    try:
        if source.scheme == "file":
            with open_video(_file_of(source)) as opened:
                yield opened
            return
        with _open(source) as container:
            stream = video_stream(Path(), container)
            check_size(Path(), stream.width, stream.height)
            stream.thread_type = "SLICE"
            stream.codec_context.thread_count = 1
            stream.codec_context.options = dict(DECODING)
            yield container, stream
    except VideoError as error:
        raise UserError(f"{source}: {error.reason}; choose another source.") from error
    except av.FFmpegError as error:
        raise UserError(_sentence(source, error)) from error


def _open(source: LiveSource) -> InputContainer:
    if not source.scheme:
        return _open_camera(source)
    if source.scheme not in _PROTOCOLS:
        raise UserError(
            f"{source} cannot be opened: {source.scheme} is none of {', '.join(_PROTOCOLS)} and "
            "file; give another address."
        )
    options = {"protocol_whitelist": _PROTOCOLS[source.scheme]}
    if source.scheme.startswith("rtsp"):
        # Frames over UDP are lost one by one and leave broken pictures.
        options["rtsp_flags"] = "prefer_tcp"
    return av.open(source.address, options=options, timeout=_TIMEOUTS_S, metadata_errors="ignore")


def _open_camera(source: LiveSource) -> InputContainer:
    system = sys.platform
    if system.startswith("linux"):
        name = f"/dev/video{source.address}" if source.address.isdigit() else source.address
        return av.open(name, format="v4l2", timeout=_TIMEOUTS_S)
    if system != "darwin":
        raise UserError(
            f"{source} cannot be opened: cameras are read on Linux and macOS; give the address "
            "of a stream, such as rtsp://host/path."
        )
    if not source.address.isdigit():
        raise UserError(f"{source} cannot be opened: cameras of macOS are numbers; try 0.")
    name = f"{source.address}:none"
    # It takes only the highest rate of a camera, and asks for 29.97 where nobody names one.
    for rate_fps in _MACOS_RATES_FPS:
        with suppress(OSError):
            options = {"framerate": str(rate_fps)}
            return av.open(name, format="avfoundation", options=options, timeout=_TIMEOUTS_S)
    return av.open(name, format="avfoundation", timeout=_TIMEOUTS_S)


def _file_of(source: LiveSource) -> Path:
    return Path(unquote(source.address.partition("://")[2]))


def _sentence(source: LiveSource, error: av.FFmpegError) -> str:
    if isinstance(error, av.error.ExitError):
        reason = f"no answer for {TIMEOUT_S:.0f} s"
    else:
        reason = error.strerror or str(error)
    what = "is it plugged in, and may you read it?" if not source.scheme else "is it there?"
    return f"{source} cannot be read ({reason}); {what}"
