"""Open a video as a file, whatever its name is and whatever it refers to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, TypeAlias

import av
from av.container import InputContainer

from vidnas.data.reading.bounds import PIXELS_MAX, check_size
from vidnas.data.reading.errors import VideoError, naming

_LISTS = (b"#EXTM3U", b"ffconcat", b"[playlist]", b"v=0", b"<?xml", b"<MPD", b"<smil", b"RTSPtext")
_READ_ERRORS_MAX = 64
DECODING = {"max_pixels": str(PIXELS_MAX)}
_OPTIONS_SINCE = 18
"""Earlier versions of PyAV crash on options where streams appear late, as in FLV and TS files."""
_PROBING = DECODING if int(av.__version__.split(".")[0]) >= _OPTIONS_SINCE else {}

Packet: TypeAlias = "av.Packet[Any]"


@contextmanager
def open_video(path: Path) -> Iterator[tuple[InputContainer, av.VideoStream]]:
    """Open the video stream of a file, and name the file in whatever goes wrong in the block.

    FFmpeg gets bytes, not a name: it would read some names as protocols or patterns, and choose the
    format by others. What a file refers to (playlists, scripts) is not opened.

    Raises:
        VideoError: missing, empty, a list of other files, or without a video stream that FFmpeg can
            decode; and whatever goes wrong in the block.
    """
    with (
        naming(path),
        _open_file(path) as file,
        av.open(
            _Bytes(file),
            options=_PROBING,
            metadata_errors="ignore",
            io_open=_refuse,
        ) as container,
    ):
        stream = video_stream(path, container)
        check_size(path, stream.width, stream.height)
        # Frame threads can deadlock with FFmpeg's log callback; workers have one core each.
        stream.thread_type = "SLICE"
        stream.codec_context.thread_count = 1
        stream.codec_context.options = {"max_pixels": str(PIXELS_MAX)}
        yield container, stream


def packets(container: InputContainer, *streams: av.VideoStream) -> Iterator[Packet]:
    """Yield the packets that can be read of these streams, or of all, in the file's order."""
    for _ in range(_READ_ERRORS_MAX):
        try:
            # An empty packet would end the decoder's work.
            yield from (packet for packet in container.demux(*streams) if packet.size)
        except av.FFmpegError as error:
            if isinstance(error, MemoryError):
                raise
        else:
            return


def _open_file(path: Path) -> BinaryIO:
    if not path.is_file():
        raise VideoError(path, "no such file", transient=True)
    file = path.open("rb")
    head = file.read(1024)
    file.seek(0)
    if not head:
        file.close()
        raise VideoError(path, "the file is empty (0 bytes)")
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(_LISTS):
        file.close()
        raise VideoError(path, "is a list of other files, not a video")
    return file


def video_stream(path: Path, container: InputContainer) -> av.VideoStream:
    """Return the video stream of what was opened; cover art is none.

    Raises:
        VideoError: there is none that FFmpeg can decode.
    """
    pictures = av.stream.Disposition.attached_pic
    found = [stream for stream in container.streams.video if not stream.disposition & pictures]
    if not found:
        raise VideoError(path, "has no video stream")
    if found[0].codec_context is None:
        raise VideoError(path, "its codec is unknown")
    return found[0]


class _Bytes:
    """A file without its name."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.read, self.tell = file.read, file.tell

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Return the new place, or -1 if there is none: a damaged file points anywhere."""
        try:
            return self._file.seek(offset, whence)
        except (OSError, ValueError):
            return -1


def _refuse(url: str, *_: object) -> NoReturn:
    raise PermissionError(f"refers to another file, {url}")
