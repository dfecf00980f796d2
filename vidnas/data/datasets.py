"""Labelled videos, every one in one split, read from any of the known formats."""

from __future__ import annotations

import hashlib
from dataclasses import astuple, dataclass
from pathlib import Path

from vidnas.core import UserError
from vidnas.data.formats import FORMATS
from vidnas.data.reading import Frames, VideoError, read_video
from vidnas.data.splits import Split, assign_splits

_HASHED_BYTES = 64 * 1024


@dataclass(frozen=True)
class Video:
    """One labelled video, or one labelled span of a video."""

    path: Path
    label: int
    """Index into the data set's classes."""
    split: Split
    group: str | None = None
    """What must not be in two splits: a person, a place, a source video."""
    start_s: float | None = None
    end_s: float | None = None

    def decode(self, size_px: int) -> Frames:
        """Return the frames of the video or its span, `(T, H, W, 3)`.

        Raises:
            VideoError: it cannot be decoded, or shows no motion because it has one frame.
        """
        frames, _ = read_video(self.path, size_px=size_px, start_s=self.start_s, end_s=self.end_s)
        if len(frames) < 2:
            raise VideoError(self.path, "is too short: it has a single frame")
        return frames


@dataclass(frozen=True)
class Dataset:
    """Labelled videos of two or more classes, in splits."""

    source: Path
    classes: tuple[str, ...]
    videos: tuple[Video, ...]
    remarks: tuple[str, ...] = ()
    """What was decided while reading that a person should know."""

    @property
    def folder(self) -> Path:
        """The folder that a data set is moved with."""
        return self.source if self.source.is_dir() else self.source.parent

    def relative(self, path: Path) -> str:
        """Return the path as files name it: relative to the folder, or the bare file name."""
        inside = path.is_relative_to(self.folder)
        return path.relative_to(self.folder).as_posix() if inside else path.name

    def fingerprint(self) -> str:
        """Hash the content, labels and splits of all videos, wherever the folder lies."""
        digest = hashlib.sha256(repr(self.classes).encode())
        for video in self.videos:
            path, *labels = astuple(video)
            record = (self.relative(path), _content_hash(path), tuple(labels))
            digest.update(repr(record).encode())
        return digest.hexdigest()[:16]


def _content_hash(path: Path) -> str:
    """Hash the size and both ends: containers keep their tables there."""
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        digest.update(file.read(_HASHED_BYTES))
        file.seek(max(0, size - _HASHED_BYTES))
        digest.update(file.read(_HASHED_BYTES))
    return digest.hexdigest()


def load_dataset(source: Path | str, *, seed: int = 0) -> Dataset:
    """Read a folder of class folders, or a CSV with `path,label[,split,group,start_s,end_s]`.

    A folder may hold the class folders in folders `train`, `val` and `test`. Paths in a CSV are
    relative to it. Splits that are not given are drawn: 70 % train, 15 % val, 15 % test, by group
    where there are groups, otherwise class by class.

    Args:
        source: the folder or the CSV.
        seed: draws the splits that are not given.

    Raises:
        UserError: nothing there, fewer than two classes, too few clips, or a bad CSV.
    """
    source = Path(source)
    wanted = " or ".join(format.description for format in FORMATS)
    reader = next((format for format in FORMATS if format.recognises(source)), None)
    if reader is None:
        raise UserError(f"{source}: no such file or folder; give {wanted}.")
    entries, remarks = reader.read(source)
    if not entries:
        raise UserError(f"{source}: no clips were found; give {wanted}.")
    classes = tuple(sorted({entry.label for entry in entries}))
    if len(classes) < 2:
        raise UserError(
            f"{source}: all clips are of one class, '{classes[0]}'; a network needs two or more "
            "classes to tell apart."
        )
    labels = [classes.index(entry.label) for entry in entries]
    splits, split_remarks = assign_splits(
        source,
        classes,
        labels,
        given=[entry.split for entry in entries],
        groups=[entry.group for entry in entries],
        seed=seed,
    )
    videos = tuple(
        Video(entry.path, label, split, entry.group, entry.start_s, entry.end_s)
        for entry, label, split in zip(entries, labels, splits, strict=True)
    )
    return Dataset(source, classes, videos, (*remarks, *split_remarks))
