"""Splits drawn from videos: a share of every class, in groups that stay together.

Memory and time grow with the videos and the classes, not with their product.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

_ATTEMPTS = 50
_MOST_STEPS = 1_000_000  # a few seconds


def names_together(groups: Sequence[str | None], files: Sequence[Hashable]) -> list[str | None]:
    """Return a name for what each video must stay together with, or None.

    That is its group, otherwise the group that another span of its file has, otherwise its file.
    """
    group_of = {file: group for group, file in zip(groups, files, strict=True) if group is not None}
    spans = Counter(files)
    firsts: dict[Hashable, int] = {}
    names: list[str | None] = []
    for index, (own, file) in enumerate(zip(groups, files, strict=True)):
        group = own if own is not None else group_of.get(file)
        if group is not None:
            names.append(f"+{group}")
        else:
            names.append(f"~{firsts.setdefault(file, index)}" if spans[file] > 1 else None)
    return names


def draw(
    labels: Sequence[Sequence[int]],
    together: Sequence[str | None],
    num_classes: int,
    fraction: float,
    rng: np.random.Generator,
) -> NDArray[np.bool_]:
    """Mark about `fraction` of every class, and of the videos without any.

    Args:
        labels: classes of every video.
        together: names of what is marked as a whole; None for a video on its own.
        num_classes: number of classes.
        fraction: share to mark.
        rng: draws.

    Returns:
        Which videos are marked, `(videos,)`.
    """
    names = [f"={index}" if name is None else name for index, name in enumerate(together)]
    number = {name: index for index, name in enumerate(sorted(set(names)))}
    group_of = np.array([number[name] for name in names])
    counts: list[dict[int, int]] = [{} for _ in number]  # of each class in each group
    for group, own in zip(group_of.tolist(), labels, strict=True):
        for label in own or (num_classes,):  # the class of those without one
            counts[group][label] = counts[group].get(label, 0) + 1
    in_class = np.zeros(num_classes + 1)
    for held in counts:
        in_class[list(held)] += list(held.values())
    target = np.where(in_class >= 2, np.maximum(1, np.round(fraction * in_class)), 0)

    best, best_miss = np.zeros(len(counts), dtype=bool), np.inf
    steps = sum(map(len, counts))
    for _ in range(min(_ATTEMPTS, max(1, _MOST_STEPS // max(1, steps)))):
        taken, miss = _first_fit(counts, in_class, target, rng.permutation(len(counts)))
        if miss < best_miss:
            best, best_miss = taken, miss
        if miss == 0:  # at once, when there are no groups
            break
    marked: NDArray[np.bool_] = best[group_of]
    return marked


def _first_fit(
    counts: Sequence[dict[int, int]],
    in_class: NDArray[np.float64],
    target: NDArray[np.float64],
    order: NDArray[np.int_],
) -> tuple[NDArray[np.bool_], float]:
    """Take the groups, in this order, that bring the classes nearer to their targets.

    A group that would leave a class nothing to train on is not taken. Return what was taken and by
    how much the targets are missed: the squares of the shares, and 1 for every absent class.
    """
    sizes, targets = in_class.tolist(), target.tolist()
    held = [0.0] * len(sizes)
    unmet = int(np.count_nonzero(target))
    taken = np.zeros(len(counts), dtype=bool)
    for group in order.tolist():
        change = 0.0  # of what is missed
        for label, more in counts[group].items():
            own, size = held[label], sizes[label]
            if own + more >= size:
                break
            change += (more * (2 * (own - targets[label]) + more)) / size**2
            change -= own == 0 < targets[label]  # absent is worse than too many
        else:
            if change >= 0:
                continue
            taken[group] = True
            for label, more in counts[group].items():
                unmet -= held[label] + more == targets[label]
                unmet += held[label] == targets[label]
                held[label] += more
            if unmet == 0:
                break
    reached = np.array(held)
    squares = ((reached - target) / np.maximum(in_class, 1)) ** 2
    absent = (reached == 0) & (target > 0)
    return taken, float(squares.sum() + absent.sum())
