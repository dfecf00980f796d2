"""Which videos train, validate and test: as given, by group, or class by class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from vidnas.core import UserError

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
VAL_FRACTION = TEST_FRACTION = 0.15
_ATTEMPTS = 50

_NAMES: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validate": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}


def split_named(name: str) -> Split | None:
    """Return the split that a column or a folder means by this name, or None."""
    return _NAMES.get(name.lower())


def assign_splits(
    source: Path,
    classes: Sequence[str],
    labels: Sequence[Sequence[int]],
    *,
    given: Sequence[Split | None],
    groups: Sequence[str | None],
    seed: int,
) -> tuple[list[Split], list[str]]:
    """Give every video a split, keeping those that are given.

    If no test split is given, the given validation split becomes the test split, because a search
    looks at its validation split thousands of times; a new one is drawn from the training videos.

    Returns:
        One split per video, and remarks for people.

    Raises:
        UserError: only some videos have a split, none is for training, or too few clips.
    """
    present = set(given)
    if None in present and len(present) > 1:
        raise UserError(
            f"{source}: {given.count(None)} of {len(given)} rows have no split; fill in the column "
            "or leave it out."
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
    _check_training(source, classes, labels, splits, videos_needed=1 + len(wanted))
    for split, fraction in wanted:
        pool = np.flatnonzero(splits == "train").tolist()
        drawn = _draw(
            [labels[i] for i in pool], [groups[i] for i in pool], len(classes), fraction, rng
        )
        if not drawn.any():
            raise UserError(
                f"{source}: no {split} split can be drawn, because every group holds the only "
                "clips of a class; fill in the column split, or leave out the column group."
            )
        splits[np.asarray(pool)[drawn]] = split
    assigned: list[Split] = [_NAMES[str(split)] for split in splits]
    remarks += _remarks_on(classes, labels, assigned, groups)
    return assigned, remarks


def _check_training(
    source: Path,
    classes: Sequence[str],
    labels: Sequence[Sequence[int]],
    splits: NDArray[np.str_],
    videos_needed: int,
) -> None:
    shown = [
        label
        for own, split in zip(labels, splits, strict=True)
        if split == "train"
        for label in own
    ]
    counts = np.bincount(np.asarray(shown, dtype=int), minlength=len(classes))
    rarest = int(counts.argmin())
    if counts[rarest] < videos_needed:
        clips = "1 clip" if counts[rarest] == 1 else f"{counts[rarest]} clips"
        raise UserError(
            f"{source}: class '{classes[rarest]}' has {clips} to train on and needs "
            f"{videos_needed} or more (one for each split that is drawn from them); add clips or "
            "remove the class."
        )


def _draw(
    labels: Sequence[Sequence[int]],
    groups: Sequence[str | None],
    classes: int,
    fraction: float,
    rng: np.random.Generator,
) -> NDArray[np.bool_]:
    """Mark about `fraction` of every class; a group is marked as a whole."""
    names = [f"={i}" if group is None else f"+{group}" for i, group in enumerate(groups)]
    _, group_of = np.unique(names, return_inverse=True)
    counts = np.zeros((group_of.max() + 1, classes))  # (groups, classes)
    for group, own in zip(group_of, labels, strict=True):
        counts[group, list(own)] += 1
    in_class = counts.sum(axis=0)
    target = np.where(in_class >= 2, np.maximum(1, np.round(fraction * in_class)), 0)

    best, best_miss = np.zeros(len(counts), dtype=bool), np.inf
    for _ in range(_ATTEMPTS):
        taken, miss = _first_fit(counts, target, rng.permutation(len(counts)))
        if miss < best_miss:
            best, best_miss = taken, miss
        if miss == 0:  # at once, when there are no groups
            break
    return best[group_of]


def _first_fit(
    counts: NDArray[np.float64],
    target: NDArray[np.float64],
    order: NDArray[np.int_],
) -> tuple[NDArray[np.bool_], float]:
    """Take the groups, in this order, that bring the classes nearer to their targets.

    A group that would leave a class nothing to train on is not taken. Return what was taken and by
    how much the targets are missed.
    """
    in_class = counts.sum(axis=0)

    def miss_of(held: NDArray[np.float64]) -> float:
        squares = ((held - target) / np.maximum(in_class, 1)) ** 2
        absent = (held == 0) & (target > 0)  # worse than too many
        return float(squares.sum() + absent.sum())

    taken = np.zeros(len(counts), dtype=bool)
    held = np.zeros_like(target)
    miss = miss_of(held)
    for group in order:
        more = held + counts[group]
        missed = miss_of(more)
        if missed < miss and np.all((more < in_class) | (counts[group] == 0)):
            taken[group] = True
            held, miss = more, missed
    return taken, miss


def _remarks_on(
    classes: Sequence[str],
    labels: Sequence[Sequence[int]],
    splits: Sequence[Split],
    groups: Sequence[str | None],
) -> list[str]:
    remarks = []
    for split in ("val", "test"):
        seen = {
            label
            for shown, own in zip(labels, splits, strict=True)
            if own == split
            for label in shown
        }
        absent = [name for label, name in enumerate(classes) if label not in seen]
        if absent:
            remarks.append(f"The {split} split has no clips of {', '.join(absent)}.")
    homes: dict[str, set[Split]] = {}
    for group, split in zip(groups, splits, strict=True):
        if group is not None:
            homes.setdefault(group, set()).add(split)
    shared = sorted(group for group, own in homes.items() if len(own) > 1)
    if shared:
        remarks.append(
            f"{len(shared)} groups are in more than one of the given splits, the first is "
            f"'{shared[0]}': test accuracy may be too optimistic."
        )
    return remarks
