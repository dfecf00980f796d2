"""The frames of one kind in the folder of a cache, while they are made or mended."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vidnas.core.files import sync
from vidnas.core.text import counted
from vidnas.data.cache_folder import OnRemark
from vidnas.data.checked_files import remember_checked
from vidnas.data.frame_table import Arrays, read_index, records_of, table_of, write_index
from vidnas.data.stored_frames import CacheDamaged, Journal, Record, shard_path


class Kept(NamedTuple):
    """What a worker says of a video: where its frames lie, which are whole."""

    record: Record
    made: bool
    """Whether they were made now; they may lie where they did before."""
    damaged: bool = False
    """Whether some of the video's frames could not be decoded now."""


class Store:
    """What is known of the frames from earlier, what is found whole or made now, and the index."""

    def __init__(self, folder: Path, kind: str, index: Path, contents: Sequence[str]) -> None:
        self._folder, self._kind, self._index, self._contents = folder, kind, index, contents
        self._journal = Journal(folder, kind)
        written = self._journal.read()
        self._was_finished, self._before = index.exists(), ""
        try:
            head, arrays = read_index(index)
            # A repair that was killed has told the journal alone.
            written = dict(zip(head["contents"], records_of(arrays), strict=True)) | written
            self._before = _text(head, records_of(arrays))
        except (FileNotFoundError, CacheDamaged):
            pass
        self.known = [written.get(content) for content in contents]
        """What was written of each video before; whether it is whole is not known."""
        self.found: dict[int, Record] = {}
        """What is there of each video, and is whole."""
        self._made: set[int] = set()

    @property
    def known_bytes(self) -> int:
        """How much of what is needed is there, if it is whole."""
        return sum(record.size_bytes for record in self.known if record)

    def add(self, video: int, kept: Kept) -> None:
        """Take what a worker has kept or made."""
        self.found[video] = kept.record
        if kept.made:
            self._made.add(video)
            self._journal.append(self._contents[video], kept.record)

    def tell_what_is_there(self, on_remark: OnRemark) -> None:
        """Say that an unfinished cache goes on."""
        known = sum(record is not None for record in self.known)
        if on_remark and known and not self._was_finished:
            on_remark(
                f"Going on with a clip cache that was not finished: it holds {known} of "
                f"{len(self.known)} videos."
            )

    def tell_what_was_lost(self, on_remark: OnRemark) -> None:
        """Say what was damaged and is made again."""
        lost = sum(
            record is not None and (video in self._made or video not in self.found)
            for video, record in enumerate(self.known)
        )
        if on_remark and self._was_finished and not self._before:
            on_remark(
                f"The index of a clip cache was damaged and is written anew; {len(self._made)} of "
                f"{len(self.known)} videos had to be read again."
            )
        elif on_remark and lost:
            of = f"of {len(self.known)} videos"
            on_remark(
                f"A clip cache was damaged: {counted(lost, f'{of} was', f'{of} were')} not what "
                "was written, and had to be read again."
            )

    def finish(self, head: Mapping[str, Any], arrays: Arrays, training: Sequence[int]) -> None:
        """Write the index when all it speaks of is on the disk.

        Args:
            head: what it says of all videos.
            arrays: what it says of each.
            training: the rows from which statistics are taken.
        """
        videos = sorted(self.found)
        records = [self.found[video] for video in videos]
        used = {shard_path(self._folder, self._kind, record.shard) for record in records}
        for path in self._folder.glob(f"{self._kind}-*.raw"):
            if path not in used:
                path.unlink()
        head = {
            **head,
            "contents": [self._contents[video] for video in videos],
            # Clips to test on have statistics as well, which nothing is normalised by.
            **_statistics([records[row] for row in training] or records),
        }
        if self._made or _text(head, records) != self._before:
            for path in used:
                sync(path)
            write_index(self._index, head, arrays | table_of(records))
        remember_checked(self._folder, used)


def _text(head: Mapping[str, Any], records: Sequence[Record]) -> str:
    return json.dumps([head, [astuple(record) for record in records]])


def _statistics(training: Sequence[Record]) -> dict[str, list[float]]:
    """Mean and standard deviation of each channel, every training video weighed equally."""
    mean = np.mean([video.mean for video in training], axis=0)
    variance = np.mean([video.mean_square for video in training], axis=0) - mean**2
    return {"mean": mean.tolist(), "std": np.sqrt(np.maximum(variance, 1e-6)).tolist()}
