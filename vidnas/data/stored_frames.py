"""Frames of many videos on disk: a few large files that processes append to, and checksums.

A video lies in one file, as its pixels are. Each block of a mebibyte has a CRC-32: comparing it
takes less than half a millisecond, and a damaged disk, a copy that was cut off or a power cut are
noticed where they matter.
"""

from __future__ import annotations

import fcntl
import os
import zlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import astuple, dataclass
from functools import cache
from io import FileIO
from itertools import count
from pathlib import Path

import numpy as np

from vidnas.core import UserError
from vidnas.data.cache_folder import plain_cache_errors
from vidnas.data.checked_text import checked_line, read_line
from vidnas.data.reading import Frames

BLOCK_BYTES = 1 << 20
_STATISTICS_FRAMES = 8


class CacheDamaged(UserError):
    """A clip cache does not hold what was written to it; building it again repairs it."""

    def __init__(self, folder: Path, what: str) -> None:
        super().__init__(folder, what)  # both in `args`: the error is pickled
        self.folder = folder
        self.what = what

    def __str__(self) -> str:
        return (
            f"{self.folder}: the clip cache is damaged ({self.what}); run the same command again, "
            "which repairs it and goes on."
        )


@dataclass(frozen=True)
class Record:
    """Where the frames of a video lie, and what they must be."""

    shard: int
    offset: int
    shape: tuple[int, ...]
    """`(T, H, W, C)`."""
    checksums: tuple[int, ...]
    """CRC-32 of each block."""
    mean: tuple[float, ...]
    """Mean of each channel of some frames, in [0, 1]."""
    mean_square: tuple[float, ...]

    @property
    def size_bytes(self) -> int:
        """How many bytes the frames take."""
        return int(np.prod(self.shape))


def shard_path(folder: Path, kind: str, shard: int) -> Path:
    """Return one of the files that hold the frames of a kind, such as "rgb"."""
    return folder / f"{kind}-{shard}.raw"


def append_frames(frames: Iterable[Frames], folder: Path, kind: str) -> Record:
    """Append the frames of a video, `(H, W, C)` each, to a file that is this process's own.

    What was appended is taken back if the frames end with an exception.

    Raises:
        UserError: the file cannot be written.
        ValueError: the frames differ in size.
    """
    with plain_cache_errors(folder.parent):
        number, file = _own_shard(folder, kind)
        offset = file.seek(0, os.SEEK_END)
    try:
        return _append(frames, file, number, offset, folder.parent)
    except BaseException:
        file.truncate(offset)
        raise


@cache
def _own_shard(folder: Path, kind: str) -> tuple[int, FileIO]:
    """Take the first file that no living process appends to, for as long as this one lives."""
    for number in count():
        file = FileIO(shard_path(folder, kind, number), "ab+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
        else:
            return number, file
    raise AssertionError  # there are always more numbers


def _append(frames: Iterable[Frames], file: FileIO, shard: int, offset: int, root: Path) -> Record:
    checksums: list[int] = []
    crc, room, length, shape = 0, BLOCK_BYTES, 0, ()
    for frame in frames:
        if length and frame.shape != shape:
            raise ValueError(f"its frames differ in size: {shape} and {frame.shape}")
        shape, length = frame.shape, length + 1
        pixels = np.ascontiguousarray(frame).data.cast("B")
        with plain_cache_errors(root):
            _write(file, pixels)
        while pixels:
            part, pixels = pixels[:room], pixels[room:]
            crc, room = zlib.crc32(part, crc), room - len(part)
            if not room:
                checksums.append(crc)
                crc, room = 0, BLOCK_BYTES
    if room < BLOCK_BYTES:
        checksums.append(crc)
    with plain_cache_errors(root):
        mean, mean_square = _moments(file, offset, (length, *shape))
    return Record(shard, offset, (length, *shape), tuple(checksums), mean, mean_square)


def _write(file: FileIO, pixels: memoryview) -> None:
    while pixels:  # a file without a buffer may take less than all
        pixels = pixels[file.write(pixels) :]


def _moments(
    file: FileIO, offset: int, shape: tuple[int, ...]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and mean square of each channel, over frames from all of the video."""
    length, size, channels = shape[0], int(np.prod(shape[1:])), shape[-1]
    mean, mean_square = np.zeros((2, channels))
    chosen = range(0, length, max(1, length // _STATISTICS_FRAMES))
    for frame in chosen:
        pixels = os.pread(file.fileno(), size, offset + frame * size)
        values = np.frombuffer(pixels, np.uint8).reshape(-1, channels).astype(np.float32) / 255
        mean += values.mean(axis=0) / len(chosen)
        mean_square += np.square(values, out=values).mean(axis=0) / len(chosen)
    return tuple(mean.tolist()), tuple(mean_square.tolist())


def is_whole(folder: Path, kind: str, record: Record) -> bool:
    """Return whether the frames of a video are what was written, block by block."""
    left = record.size_bytes
    try:
        with shard_path(folder, kind, record.shard).open("rb", buffering=0) as file:
            file.seek(record.offset)
            for checksum in record.checksums:
                block = file.read(min(left, BLOCK_BYTES))
                left -= len(block)
                if zlib.crc32(block) != checksum:
                    return False
    except OSError:
        return False
    return left == 0


class Journal:
    """What was written so far, video by video: it survives a kill, and the loss of the index."""

    def __init__(self, folder: Path, kind: str) -> None:
        self._path = folder / f"{kind}.journal"

    def read(self) -> dict[str, Record]:
        """Return the records by the content of their videos; damaged lines are left out."""
        records: dict[str, Record] = {}
        try:
            text = self._path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return records
        for line in text.splitlines():
            with suppress(ValueError, TypeError):
                content, shard, offset, *lists = read_line(line)
                shape, checksums, mean, mean_square = map(tuple, lists)
                records[content] = Record(shard, offset, shape, checksums, mean, mean_square)
        return records

    def append(self, content: str, record: Record) -> None:
        """Add a record.

        Raises:
            OSError: it cannot be written.
        """
        # Whatever a kill left of the last line ends here.
        with self._path.open("a", encoding="utf-8") as file:
            file.write("\n" + checked_line((content, *astuple(record))))
