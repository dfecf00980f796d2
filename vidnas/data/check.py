"""What is wrong with labelled clips, found before anything is trained."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from vidnas.core.value import Value
from vidnas.data.balance import imbalance_remark
from vidnas.data.datasets import Dataset, Video
from vidnas.data.headers import grid_rate
from vidnas.data.reading import VideoError, damage
from vidnas.data.splits import SPLITS
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
    problems: tuple[Problem, ...]
    remarks: tuple[str, ...]

    @property
    def usable(self) -> bool:
        """Whether every class can be trained on and no split is empty."""
        return all(self.counts["train"]) and all(map(any, self.counts.values()))


def check_dataset(
    dataset: Dataset, on_progress: Callable[[int, int], None] | None = None
) -> CheckReport:
    """Decode every video, and compare the content of all files.

    Args:
        dataset: labelled videos.
        on_progress: called with the numbers of videos finished and in all.
    """
    lengths: dict[int, int] = {}
    problems: dict[int, Problem] = {}
    for index, outcome in in_workers(_decode, dataset.videos, on_progress=on_progress):
        if isinstance(outcome, VideoError):
            path = str(dataset.videos[index].path)
            problems[index] = Problem(path=path, kind="unusable", reason=outcome.reason)
        else:
            lengths[index], damaged = outcome
            if damaged:
                path, reason = str(dataset.videos[index].path), damage(damaged)
                problems[index] = Problem(path=path, kind="damaged", reason=reason)

    counts = {split: np.zeros(len(dataset.classes), dtype=int) for split in SPLITS}
    for index in lengths:
        counts[dataset.videos[index].split][list(dataset.videos[index].labels)] += 1
    frames = sorted(lengths.values()) or [0]
    return CheckReport(
        classes=dataset.classes,
        counts={split: tuple(own.tolist()) for split, own in counts.items()},
        frames_min=frames[0],
        frames_median=int(np.median(frames)),
        frames_max=frames[-1],
        problems=(*(problems[i] for i in sorted(problems)), *_duplicates(dataset, set(lengths))),
        remarks=_remarks(dataset, counts["train"].tolist()),
    )


def _remarks(dataset: Dataset, training: Sequence[int]) -> tuple[str, ...]:
    imbalance = None if dataset.multi_label else imbalance_remark(dataset.classes, training)
    common = grid_rate(dataset)
    found = (imbalance, common and common.remark)
    return (*dataset.remarks, *(remark for remark in found if remark))


def _decode(video: Video) -> tuple[int, float]:
    """Return the number of frames, and the share of them that is damaged; runs in a worker."""
    with video.stream(_DECODED_SIZE_PX) as stream:
        return sum(1 for _ in stream), stream.damaged


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
    return hashlib.sha256(path.read_bytes()).hexdigest()
