"""Which videos train, validate and test: as given, or drawn."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from vidnas.core import UserError
from vidnas.core.names import listed
from vidnas.core.text import counted
from vidnas.data.drawing import draw, names_together

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
JUDGED: tuple[Split, ...] = ("val", "test")
"""Those that networks are judged by."""
VAL_FRACTION = TEST_FRACTION = 0.15
SPLIT_WORDS: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validate": "val",
    "validation": "val",
    "dev": "val",
    "eval": "val",
    "evaluation": "val",
    "test": "test",
    "testing": "test",
    "holdout": "test",
}
_BESIDE = frozenset((
    "clip", "clips", "data", "dataset", "frame", "frames", "images", "rawframes", "rgb", "set",
    "split", "subset", "video", "videos",
))  # fmt: skip


def split_named(name: str) -> Split | None:
    """Return the split that a column or a folder means by this name, or None.

    A split may have a number and a word that says nothing: `videos_train`, `val_256`, `trainset`.
    """
    words = [word for word in re.split(r"[\W\d_]+", name.lower()) if word not in _BESIDE]
    words = [word.removesuffix("set") for word in words if word]
    return SPLIT_WORDS.get(words[0]) if len(words) == 1 else None


def assign_splits(
    source: Path,
    classes: Sequence[str],
    labels: Sequence[Sequence[int]],
    *,
    given: Sequence[Split | None],
    groups: Sequence[str | None],
    files: Sequence[Hashable],
    seed: int,
    multi_label: bool = False,
) -> tuple[list[Split], list[str]]:
    """Give every video a split, keeping those that are given.

    If no test split is given, the given validation split becomes the test split, because a search
    looks at its validation split thousands of times; a new one is drawn from the training videos.
    What is drawn keeps the spans of one file together, and groups.

    Args:
        source: named in errors.
        classes: their names.
        labels: indices of the classes of every video, `(videos, any)`.
        given: splits that are known.
        groups: what must not be in two splits: a person, a place.
        files: what identifies the file of a video, of which it may be a span.
        seed: draws the splits.
        multi_label: whether a class may be too rare to be in every split.

    Returns:
        One split per video, and remarks for people.

    Raises:
        UserError: only some videos have a split, none is for training, or too few clips.
    """
    present = set(given)
    if None in present and len(present) > 1:
        without, of = given.count(None), f"of {len(given)} clips"
        raise UserError(
            f"{source}: {counted(without, f'{of} has', f'{of} have')} no split; give all of them "
            "one, or none."
        )
    rng = np.random.default_rng(seed)
    splits: NDArray[np.str_] = np.array([split or "train" for split in given])
    remarks = []
    if present == {"train", "val"}:
        splits[splits == "val"] = "test"
        remarks.append(
            "No test split is given: the given validation split is kept for testing, and "
            f"{VAL_FRACTION:.0%} of the training videos are drawn for validation."
        )
    elif present == {"train", "test"}:
        remarks.append(
            f"No validation split is given: {VAL_FRACTION:.0%} of the training videos are drawn."
        )
    wanted: list[tuple[Split, float]] = []
    if not np.any(splits == "test"):
        wanted.append(("test", TEST_FRACTION))
    if not np.any(splits == "val"):
        # 15 % of the data set: if both are drawn, 15 of the 85 % that are left.
        wanted.append(("val", VAL_FRACTION / (1 - TEST_FRACTION * len(wanted))))
    training = [labels[i] for i in np.flatnonzero(splits == "train").tolist()]
    remarks += _check_training(source, classes, training, 1 + len(wanted), multi_label)
    together = names_together(groups, files)
    for split, fraction in wanted:
        pool = np.flatnonzero(splits == "train").tolist()
        drawn = draw(
            [labels[i] for i in pool], [together[i] for i in pool], len(classes), fraction, rng
        )
        if not drawn.any():
            other_cure = ", or leave out the column group" if any(groups) else ""
            raise UserError(
                f"{source}: no {split} split can be drawn, because spans of one file and clips of "
                "one group stay together, and each of these holds the only clips of a class; fill "
                f"in the column split{other_cure}."
            )
        splits[np.asarray(pool)[drawn]] = split
    assigned: list[Split] = [SPLIT_WORDS[str(split)] for split in splits]
    remarks += _remarks_on(classes, labels, assigned)
    remarks += _remarks_on_leaks(assigned, groups, files)
    return assigned, remarks


def _check_training(
    source: Path,
    classes: Sequence[str],
    training: Sequence[Sequence[int]],
    videos_needed: int,
    multi_label: bool,
) -> list[str]:
    """Reject classes that are too rare, or say so where the others are of use without it."""
    shown = [label for own in training for label in own]
    counts = np.bincount(np.asarray(shown, dtype=int), minlength=len(classes))
    rare = np.flatnonzero(counts < videos_needed).tolist()
    if multi_label and len(rare) < len(classes):
        names = listed([classes[label] for label in rare])
        needed = f"fewer than {videos_needed} clips to train on"
        return [f"Classes with {needed} ({len(rare):,}): {names}."] if rare else []
    if rare:
        few = listed([f"'{classes[label]}' ({counts[label]})" for label in rare])
        raise UserError(
            f"{source}: every class needs {videos_needed} or more clips to train on (one for each "
            f"split that is drawn from them), and too few are of {few}; add clips, or remove "
            "what has too few."
        )
    return []


def _remarks_on(
    classes: Sequence[str], labels: Sequence[Sequence[int]], splits: Sequence[Split]
) -> list[str]:
    remarks = []
    for split in JUDGED:
        seen = {
            label
            for shown, own in zip(labels, splits, strict=True)
            if own == split
            for label in shown
        }
        absent = [name for label, name in enumerate(classes) if label not in seen]
        if absent:
            remarks.append(f"The {split} split has no clips of {listed(absent)}.")
    return remarks


def _remarks_on_leaks(
    splits: Sequence[Split], groups: Sequence[str | None], files: Sequence[Hashable]
) -> list[str]:
    """Say what is in more than one split: where those are given, or groups divide a file."""
    remarks = []
    shared = sorted(str(group) for group in _in_several_splits(splits, groups))
    if shared:
        remarks.append(
            f"{counted(len(shared), 'group is', 'groups are')} in more than one of the given "
            f"splits, the first is '{shared[0]}': test accuracy may be too optimistic."
        )
    count = len(_in_several_splits(splits, files))
    if count:
        remarks.append(
            f"Files are in more than one split, as a whole or with different spans ({count:,}): "
            "test accuracy may be too optimistic."
        )
    return remarks


def _in_several_splits(splits: Sequence[Split], keys: Sequence[Hashable]) -> set[Hashable]:
    first: dict[Hashable, Split] = {}
    pairs = zip(keys, splits, strict=True)
    return {key for key, own in pairs if key is not None and first.setdefault(key, own) != own}
