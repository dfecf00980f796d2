"""What is left of a data set without the videos that cannot be used: enough to train on, or not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from vidnas.core.names import listed
from vidnas.data.datasets import Dataset, Video
from vidnas.data.splits import SPLITS, Split


class Readable:
    """How many videos are left of each split, and of each class to train on, while others turn out
    to be broken."""

    def __init__(self, dataset: Dataset) -> None:
        """Count those of a data set."""
        self._multi_label = dataset.multi_label
        self._left = Counter(need for video in dataset.videos for need in self._needs(video))

    def runs_out(self, broken: Video) -> bool:
        """Take a broken video out; return whether it was the last of something that is needed."""
        needs = self._needs(broken)
        self._left.subtract(needs)
        return not all(self._left[need] for need in needs)

    def _needs(self, video: Video) -> list[Split | int]:
        """Return what a video is of use for; see `lacks`."""
        if self._multi_label:
            return [video.split] if video.labels else []
        return [video.split, *_training_labels([video])]


def lacks(dataset: Dataset, usable: Sequence[Video]) -> list[str]:
    """Return what is missing for training on the usable videos, none of it if they are enough.

    Where a video may show several classes, one that is lost leaves the others as they are.
    """
    emptied = _splits(dataset, dataset.videos) - _splits(dataset, usable)
    clip = "readable clip that shows a class" if dataset.multi_label else "readable clip"
    missing = [f"no {clip} in its {split} split" for split in SPLITS if split in emptied]
    if not dataset.multi_label:
        lost = _lost(dataset, usable)
        missing += [f"no readable clip of class '{name}' to train on" for name in lost]
    return missing


def lost_remark(dataset: Dataset, usable: Sequence[Video]) -> str | None:
    """Say which classes are lost, where the others are of use without them."""
    lost = _lost(dataset, usable) if dataset.multi_label else []
    if not lost:
        return None
    return f"Classes that no readable clip shows to train on ({len(lost):,}): {listed(lost)}."


def _splits(dataset: Dataset, videos: Iterable[Video]) -> set[Split]:
    """Return the splits in which videos show a class, as all do that show exactly one."""
    return {video.split for video in videos if video.labels or not dataset.multi_label}


def _lost(dataset: Dataset, usable: Sequence[Video]) -> list[str]:
    """Return the classes that only other videos of the training split show."""
    lost = {*_training_labels(dataset.videos)} - {*_training_labels(usable)}
    return [name for label, name in enumerate(dataset.classes) if label in lost]


def _training_labels(videos: Iterable[Video]) -> list[int]:
    return [label for video in videos if video.split == "train" for label in video.labels]
