"""What is wrong with labelled clips, found before anything is trained."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from vidnas.core.quantities import format_number
from vidnas.core.value import Value
from vidnas.data.balance import imbalance_remark
from vidnas.data.contents import hash_file
from vidnas.data.datasets import Dataset, Video
from vidnas.data.headers import grid_rate, read_header
from vidnas.data.leftover import lost_remark
from vidnas.data.reading import VideoError, damage
from vidnas.data.splits import SPLITS
from vidnas.data.spreads import by_name, by_range
from vidnas.data.video_workers import in_workers

_DECODED_SIZE_PX = 16  # small, because the only question is whether it decodes


class Problem(Value):
    """A video that is unusable, lacks some of its frames, or repeats another one."""

    path: str
    kind: Literal["unusable", "damaged", "duplicate"]
    reason: str


class CheckReport(Value):
    """What a check of a data set found."""

    classes: tuple[str, ...]
    counts: dict[str, tuple[int, ...]]
    """Numbers of usable videos per class, by split."""
    frames_min: int
    frames_median: int
    frames_max: int
    spreads: dict[str, dict[str, int]]
    """How many usable videos there are by class, length, frame rate and size of the picture."""
    problems: tuple[Problem, ...]
    remarks: tuple[str, ...]
    multi_label: bool
    """Whether a video may show any number of classes, instead of exactly one."""

    @property
    def usable(self) -> bool:
        """Whether every split shows some class and, unless a video may show several, every class
        can be trained on."""
        trained = self.multi_label or all(self.counts["train"])
        return trained and all(map(any, self.counts.values()))


def check_dataset(
    dataset: Dataset, on_progress: Callable[[int, int], None] | None = None
) -> CheckReport:
    """Decode every video, and compare the content of all files.

    Args:
        dataset: labelled videos.
        on_progress: called with the numbers of videos finished and in all.
    """
    looks: dict[int, _Look] = {}
    problems: dict[int, Problem] = {}
    for index, outcome in in_workers(_look, dataset.videos, on_progress=on_progress):
        if isinstance(outcome, VideoError):
            path = str(dataset.videos[index].path)
            problems[index] = Problem(path=path, kind="unusable", reason=outcome.reason)
        else:
            looks[index] = outcome
            if outcome.damaged:
                path, reason = str(dataset.videos[index].path), damage(outcome.damaged)
                problems[index] = Problem(path=path, kind="damaged", reason=reason)

    counts = {split: np.zeros(len(dataset.classes), dtype=int) for split in SPLITS}
    for index in looks:
        counts[dataset.videos[index].split][list(dataset.videos[index].labels)] += 1
    frames = sorted(look.frames for look in looks.values()) or [0]
    return CheckReport(
        classes=dataset.classes,
        counts={split: tuple(own.tolist()) for split, own in counts.items()},
        frames_min=frames[0],
        frames_median=int(np.median(frames)),
        frames_max=frames[-1],
        spreads=_spreads(
            dataset.classes, np.sum([*counts.values()], axis=0).tolist(), looks.values()
        ),
        problems=(*(problems[i] for i in sorted(problems)), *_duplicates(dataset, set(looks))),
        remarks=_remarks(dataset, counts["train"].tolist(), [dataset.videos[i] for i in looks]),
        multi_label=dataset.multi_label,
    )


def _remarks(dataset: Dataset, training: Sequence[int], usable: Sequence[Video]) -> tuple[str, ...]:
    imbalance = None if dataset.multi_label else imbalance_remark(dataset.classes, training)
    common = grid_rate(dataset)
    found = (common and common.remark, imbalance, lost_remark(dataset, usable))
    return (*dataset.remarks, *(remark for remark in found if remark))


class _Look(NamedTuple):
    """What a usable video turned out to be."""

    frames: int
    length_s: float
    rate: str
    size: str
    damaged: float
    """Share of the frames that cannot be decoded."""


def _look(video: Video) -> _Look:
    """Decode a video; runs in a worker."""
    with video.stream(_DECODED_SIZE_PX) as stream:
        frames = sum(1 for _ in stream)
    header = read_header(video.path)
    size = f"{header.long_px} x {header.short_px}" if header else "unknown"
    rate = f"{format_number(stream.own_rate_fps, 4)} per s"
    return _Look(frames, frames / stream.rate_fps, rate, size, stream.damaged)


def _spreads(
    classes: Sequence[str], totals: Sequence[int], looks: Collection[_Look]
) -> dict[str, dict[str, int]]:
    ranked = sorted(zip(totals, classes, strict=True), key=lambda one: -one[0])
    return {
        "Videos by class": {name: count for count, name in ranked},
        "By length": by_range([look.length_s for look in looks], "s"),
        "By frame rate": by_name([look.rate for look in looks]),
        "By size of the picture, px": by_name([look.size for look in looks]),
    }


def _duplicates(dataset: Dataset, readable: set[int]) -> list[Problem]:
    """Name the videos with the bytes and the span of an earlier one."""
    by_size = defaultdict(list)
    for index in sorted(readable):
        video = dataset.videos[index]
        by_size[video.path.stat().st_size, video.start_s, video.end_s].append(video)
    problems = []
    for candidates in by_size.values():
        first_with: dict[str, Video] = {}
        for video in candidates if len(candidates) > 1 else []:
            first = first_with.setdefault(_file_hash(video.path), video)
            if first is not video:
                problems.append(_duplicate(dataset, first, video))
    return problems


def _duplicate(dataset: Dataset, first: Video, video: Video) -> Problem:
    reason = f"has the content of {first.path}"
    if video.labels != first.labels:
        own, others = (dataset.names(one.labels) for one in (video, first))
        reason += f", but class '{own}' instead of '{others}'"
    if video.split != first.split:
        reason += f", and is in split {video.split} as well as {first.split}"
    return Problem(path=str(video.path), kind="duplicate", reason=reason)


def _file_hash(path: Path) -> str:
    return hash_file(path).digest
