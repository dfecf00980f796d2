"""Labelled videos, every one in one split, read from any of the known formats."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vidnas.core import UserError, bounds
from vidnas.data.cache_folder import contents_table, default_directory
from vidnas.data.contents import FileContent, hash_files
from vidnas.data.formats import FORMATS, Reading
from vidnas.data.formats.names import remarks_on_classes
from vidnas.data.formats.recognition import (
    checked,
    identify_files,
    recognise,
    without_emptied_classes,
    without_unlabelled_splits,
)
from vidnas.data.reading import IMAGES_FPS, Frames, VideoStream, stream_video
from vidnas.data.repeats import remarks_on_repeats
from vidnas.data.splits import Split, assign_splits

Files = Mapping[Path, FileContent]


@dataclass(frozen=True)
class Video:
    """One labelled video, or one labelled span of a video."""

    path: Path
    labels: tuple[int, ...]
    """Indices into the data set's classes: one, unless the data set is multi-label."""
    split: Split
    group: str | None = None
    """What must not be in two splits: a person, a place, a source video."""
    start_s: float | None = None
    end_s: float | None = None
    images_fps: float = IMAGES_FPS
    """The rate at which it was recorded, if it is a folder of images."""

    def stream(self, size_px: int, rate_fps: float | None = None) -> VideoStream:
        """Decode the video or its span frame by frame; see `stream_video`.

        Raises:
            VideoError: it cannot be opened. The stream raises it, too, when it cannot be decoded,
                or shows no motion because it has one frame.
        """
        return stream_video(
            self.path,
            size_px=size_px,
            rate_fps=rate_fps,
            start_s=self.start_s,
            end_s=self.end_s,
            images_fps=self.images_fps,
            frames_min=2,
        )

    def decode(self, size_px: int, rate_fps: float | None = None) -> Frames:
        """Return the frames of the video or its span, `(T, H, W, 3)`.

        Raises:
            VideoError: it cannot be decoded, or shows no motion because it has one frame.
        """
        with self.stream(size_px, rate_fps) as frames:
            return frames.read()


@dataclass(frozen=True)
class Dataset:
    """Labelled videos of two or more classes, in splits."""

    source: Path
    classes: tuple[str, ...]
    videos: tuple[Video, ...]
    remarks: tuple[str, ...] = ()
    """What was decided while reading that a person should know."""
    multi_label: bool = False
    """Whether a video may show any number of classes, instead of exactly one."""

    @property
    def folder(self) -> Path:
        """The folder that a data set is moved with."""
        return self.source if self.source.is_dir() else self.source.parent

    def names(self, labels: Sequence[int]) -> str:
        """Return the classes of a video as people read them."""
        return ", ".join(self.classes[label] for label in labels)

    def relative(self, path: Path) -> str:
        """Return the path as files name it: relative to the folder, or the bare file name."""
        inside = path.is_relative_to(self.folder)
        return path.relative_to(self.folder).as_posix() if inside else path.name

    def files(
        self, root: Path | None = None, on_progress: Callable[[int, int], None] | None = None
    ) -> Files:
        """Hash the files of all videos; those that have not changed are known from earlier.

        Args:
            root: folder of caches, which remembers the hashes; None for the default.
            on_progress: called with the numbers of files hashed and in all, if any must be read.
        """
        table = contents_table(root or default_directory(), self.source)
        return hash_files((video.path for video in self.videos), table, on_progress)

    def fingerprint(self, files: Files | None = None) -> str:
        """Hash the content, labels and splits of all videos, wherever the folder lies."""
        digest = hashlib.sha256(repr((self.classes, self.multi_label)).encode())
        for video, content in zip(self.videos, self.contents(files), strict=True):
            record = (self.relative(video.path), content, video.labels, video.split, video.group)
            digest.update(repr(record).encode())
        return digest.hexdigest()[:16]

    def contents(self, files: Files | None = None) -> list[str]:
        """Identify what each video shows, wherever its file lies: by its hash, and `:` and the span
        or the rate of its images where one is given.

        Args:
            files: what `files` returned; None to ask it.
        """
        files = files or self.files()
        return [files[video.path].digest[:16] + _span(video) for video in self.videos]


def _span(video: Video) -> str:
    whole = video.start_s is None and video.end_s is None
    span = "" if whole else f":{video.start_s}-{video.end_s}"
    # Only where it is another than that of all: caches and studies from before stay what they are.
    return span if video.images_fps == IMAGES_FPS else f"{span}:{video.images_fps}fps"


def load_dataset(
    source: Path | str,
    *,
    seed: int = 0,
    format: str | None = None,
    video_folder: Path | None = None,
) -> Dataset:
    """Read labelled videos: a folder of class folders, a CSV, or the annotations of a data set.

    Splits that are not given are drawn: 70 % train, 15 % val, 15 % test, by group where there are
    groups, otherwise class by class. Spans of one file are in one split.

    Args:
        source: a folder or a file in one of `FORMATS`.
        seed: draws the splits that are not given.
        format: name of the format; None to recognise it by its content.
        video_folder: where the videos are that annotations name; None to look beside them.

    Raises:
        UserError: nothing there, of no known format, fewer than two classes, too few clips, or
            what a format cannot read.
    """
    source = Path(source)
    reading = read_source(source, format=format, video_folder=video_folder)
    reading = without_unlabelled_splits(without_emptied_classes(reading))
    entries = reading.entries
    classes = sort_classes(label for entry in entries for label in entry.labels)
    if len(classes) < 2:
        raise UserError(
            f"{source}: all clips are of one class, '{classes[0]}'; a network needs two or more "
            "classes to tell apart."
            if classes
            else f"{source}: no clip has a class; give labels."
        )
    if len(classes) > bounds.CLASSES and not reading.multi_label:
        raise UserError(
            f"{source} has {len(classes):,} classes, and a network tells {bounds.CLASSES:,} apart "
            "at most; leave some out, or check whether these are classes."
        )
    files = identify_files(entry.path for entry in entries)
    number = {name: index for index, name in enumerate(classes)}
    labels = [tuple(sorted(number[label] for label in entry.labels)) for entry in entries]
    splits, split_remarks = assign_splits(
        source,
        classes,
        labels,
        given=[entry.split for entry in entries],
        groups=[entry.group for entry in entries],
        files=files,
        seed=seed,
        multi_label=reading.multi_label,
    )
    clips = tuple(
        Video(
            entry.path,
            own,
            split,
            entry.group,
            entry.start_s,
            entry.end_s,
            entry.images_fps or IMAGES_FPS,
        )
        for entry, own, split in zip(entries, labels, splits, strict=True)
    )
    remarks = (
        *reading.remarks,
        *remarks_on_classes(classes),
        *remarks_on_repeats(entries, files),
        *split_remarks,
    )
    return Dataset(source, classes, clips, remarks, reading.multi_label)


def read_source(
    source: Path, *, format: str | None = None, video_folder: Path | None = None
) -> Reading:
    """Return what a source holds, with class names in one normal form and files that can be read.

    Args:
        source: a folder or a file in one of `FORMATS`.
        format: name of the format; None to recognise it by its content.
        video_folder: where the videos are that annotations name; None to look beside them.

    Raises:
        UserError: nothing there, of no known format, without clips, or what its reader cannot read.
    """
    return checked(source, recognise(source, FORMATS, format), video_folder)


def sort_classes(names: Iterable[str]) -> tuple[str, ...]:
    """Return the distinct names in order: by number if all are numbers."""
    distinct = set(names)
    if all(name.isdecimal() for name in distinct):
        return tuple(sorted(distinct, key=lambda name: (int(name), name)))
    return tuple(sorted(distinct))
