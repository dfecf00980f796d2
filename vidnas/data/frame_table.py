"""Where the frames of all videos of a cache lie, as arrays: quick to load, checked when used."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidnas.core.files import replacing
from vidnas.data.checked_files import forget_checked, remember_checked, were_checked
from vidnas.data.reading import Frames
from vidnas.data.stored_frames import BLOCK_BYTES, CacheDamaged, Record, shard_path

Arrays = dict[str, NDArray[Any]]
OnProgress = Callable[[int, int], None] | None


def write_index(path: Path, head: Mapping[str, Any], arrays: Arrays) -> None:
    """Write JSON and arrays into one file, whole or not at all; ZIP checks it with CRC-32."""
    text = np.frombuffer(json.dumps(head).encode(), np.uint8)
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **{**arrays, "head": text})  # type: ignore[arg-type]  # of older numpy


def read_index(path: Path) -> tuple[dict[str, Any], Arrays]:
    """Read what `write_index` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        CacheDamaged: it is not what was written.
        OSError: it cannot be read.
    """
    data = path.read_bytes()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            arrays = {
                name.removesuffix(".npy"): np.load(io.BytesIO(archive.read(name)))
                for name in archive.namelist()
            }
        return json.loads(arrays.pop("head").tobytes()), arrays
    except Exception as error:  # of any kind: anything may stand in a damaged file
        raise CacheDamaged(path.parent, f"{path.name} is not what was written") from error


def table_of(records: Sequence[Record]) -> Arrays:
    """Return the arrays of a table with a row per record."""
    return {
        "shard": np.array([one.shard for one in records], np.int32),
        "offset": np.array([one.offset for one in records], np.int64),
        "shape": np.array([one.shape for one in records], np.int64).reshape(-1, 4),
        "checksums": np.array([crc for one in records for crc in one.checksums], np.uint32),
        "moments": np.array([(one.mean, one.mean_square) for one in records], np.float64),
    }


def records_of(arrays: Arrays) -> list[Record]:
    """Return the records that `table_of` made the arrays of."""
    sizes = arrays["shape"].prod(axis=1)
    ends = (-(-sizes // BLOCK_BYTES)).cumsum()[:-1]
    checksums = [own.tolist() for own in np.split(arrays["checksums"], ends)]
    names = "shard", "offset", "shape", "moments"
    rows = zip(*(arrays[name].tolist() for name in names), checksums, strict=True)
    return [
        Record(shard, offset, tuple(shape), tuple(own), tuple(moments[0]), tuple(moments[1]))
        for shard, offset, shape, moments, own in rows
    ]


class FrameTable:
    """The frames of all videos of one kind: views of memory-mapped files.

    Each block is compared with its checksum when it is first used in this process.
    """

    def __init__(self, folder: Path, kind: str, arrays: Arrays) -> None:
        """Take a table that `table_of` made; see that the files are long enough.

        Raises:
            CacheDamaged: a file is missing or cut off.
        """
        self.folder, self.kind = folder, kind
        self._shards, self._offsets = arrays["shard"], arrays["offset"]
        self.shapes: NDArray[np.int64] = arrays["shape"]
        """`(N, 4)`: the `(T, H, W, C)` of each video."""
        self._moments = arrays["moments"]
        self._sizes = self.shapes.prod(axis=1)
        self._checksums = arrays["checksums"]
        blocks = -(-self._sizes // BLOCK_BYTES)
        self._first_block = np.concatenate([[0], blocks.cumsum()])
        self._checked = np.zeros(len(self._checksums), np.bool_)
        self._maps: dict[int, Frames] = {}
        self._require_length()

    def __len__(self) -> int:
        return len(self._shards)

    @property
    def paths(self) -> dict[int, Path]:
        """The files by number."""
        return {n: shard_path(self.folder, self.kind, n) for n in np.unique(self._shards).tolist()}

    def require_whole(self, on_progress: OnProgress = None) -> None:
        """Compare all blocks with their checksums, unless no file has changed since that was done.

        Args:
            on_progress: called with the numbers of videos compared and in all, if any must be.

        Raises:
            CacheDamaged: something is not what was written.
        """
        if were_checked(self.folder, self.paths.values()):
            return
        self._checked[:] = False
        for video in range(len(self)):
            self.check(video)
            if on_progress:
                on_progress(video + 1, len(self))
        remember_checked(self.folder, self.paths.values())

    def shape(self, video: int) -> tuple[int, int, int, int]:
        """Return the `(T, H, W, C)` of a video."""
        length, height, width, channels = self.shapes[video].tolist()
        return length, height, width, channels

    def view(self, video: int) -> Frames:
        """Return the frames of a video, `(T, H, W, C)`, unchecked."""
        return self._bytes(video).reshape(self.shape(video))

    def check(self, video: int, frames: NDArray[np.int64] | None = None) -> None:
        """Compare some frames of a video, or all, with their checksums, unless that was done.

        Raises:
            CacheDamaged: they are not what was written.
        """
        first, last = self._first_block[video : video + 2]
        checked = self._checked[first:last]
        if checked.all():
            return
        blocks = range(len(checked)) if frames is None else self._blocks_of(video, frames)
        for block in blocks:
            if not checked[block]:
                self._check_block(video, block)
                checked[block] = True

    def _blocks_of(self, video: int, frames: NDArray[np.int64]) -> list[int]:
        size = int(self._sizes[video] // self.shapes[video, 0])
        begins = frames * size // BLOCK_BYTES
        ends = ((frames + 1) * size - 1) // BLOCK_BYTES
        spans = zip(begins.tolist(), ends.tolist(), strict=True)
        return sorted({block for begin, end in spans for block in range(begin, end + 1)})

    def _check_block(self, video: int, block: int) -> None:
        end = int(self._offsets[video] + self._sizes[video])
        path = shard_path(self.folder, self.kind, int(self._shards[video]))
        # A file that was cut off meanwhile would end this process, not raise.
        if self._length(path) >= end:
            pixels = self._bytes(video)[block * BLOCK_BYTES : (block + 1) * BLOCK_BYTES]
            if zlib.crc32(pixels.data) == self._checksums[self._first_block[video] + block]:
                return
        forget_checked(self.folder)
        raise CacheDamaged(self.folder, f"the {self.kind} of video {video} is not what was written")

    def _bytes(self, video: int) -> Frames:
        shard, offset = int(self._shards[video]), int(self._offsets[video])
        mapped = self._maps.get(shard)
        if mapped is None:
            path = shard_path(self.folder, self.kind, shard)
            # A plain view: slicing np.memmap itself costs microseconds for its Python class.
            mapped = self._maps[shard] = np.asarray(np.memmap(path, dtype=np.uint8, mode="r"))
        return mapped[offset : offset + int(self._sizes[video])]

    def _require_length(self) -> None:
        ends = self._offsets + self._sizes
        for number, path in self.paths.items():
            if self._length(path) < ends[self._shards == number].max():
                raise CacheDamaged(self.folder, f"{path.name} is missing or cut off")

    @staticmethod
    def _length(path: Path) -> int:
        try:
            return path.stat().st_size
        except FileNotFoundError:
            return 0
