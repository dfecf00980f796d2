"""Splits that are drawn: what stays together, several labels, and what it takes."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from vidnas.core import UserError
from vidnas.data.drawing import draw
from vidnas.data.splits import SPLITS, Split, assign_splits, split_named


def _assign(
    labels: list[tuple[int, ...]],
    *,
    given: list[Split | None] | None = None,
    groups: list[str | None] | None = None,
    files: list[int] | None = None,
    seed: int = 0,
    multi_label: bool = False,
) -> tuple[list[Split], list[str]]:
    count = len(labels)
    names = [f"c{i}" for i in range(1 + max(max(own, default=0) for own in labels))]
    return assign_splits(
        Path("clips"),
        names,
        labels,
        given=given or [None] * count,
        groups=groups or [None] * count,
        files=files or list(range(count)),
        seed=seed,
        multi_label=multi_label,
    )


def _homes(splits: list[Split], keys: list[int]) -> dict[int, set[Split]]:
    homes: dict[int, set[Split]] = {}
    for key, split in zip(keys, splits, strict=True):
        homes.setdefault(key, set()).add(split)
    return homes


def test_spans_of_a_file_stay_together() -> None:
    files = [i // 5 for i in range(100)]
    splits, remarks = _assign([(i // 5 % 2,) for i in range(100)], files=files)
    assert all(len(own) == 1 for own in _homes(splits, files).values())
    assert all(splits.count(split) in (10, 20) for split in ("val", "test"))
    assert remarks == []


def test_what_cannot_be_divided_asks_for_the_splits() -> None:
    labels = [(i % 2,) for i in range(10)]
    with pytest.raises(UserError, match=r"spans of one file .*; fill in the column split\.$"):
        _assign(labels, files=[0] * 10)
    with pytest.raises(UserError, match=r"clips of one group .*, or leave out the column group\.$"):
        _assign(labels, groups=["anna"] * 10)


def test_a_span_without_a_group_joins_the_group_of_its_file() -> None:
    files = [i // 2 for i in range(60)]
    groups = [f"g{i // 4}" if i % 2 else None for i in range(60)]
    splits, _ = _assign([(i // 4 % 2,) for i in range(60)], files=files, groups=groups)
    assert all(len(own) == 1 for own in _homes(splits, [i // 4 for i in range(60)]).values())


def test_groups_that_divide_a_file_win_and_are_said() -> None:
    files = [i // 2 for i in range(80)]
    groups: list[str | None] = [f"g{i % 2}{i // 8}" for i in range(80)]
    _, remarks = _assign([(i // 8 % 2,) for i in range(80)], files=files, groups=groups)
    assert any("Files are in more than one split" in remark for remark in remarks)
    assert not any("groups are in more than one" in remark for remark in remarks)


def test_given_splits_that_divide_a_file_are_said() -> None:
    given: list[Split | None] = ["train", "train", "test", "val"] * 6
    files = [0, 1, 0, 3, *range(4, 24)]
    _, remarks = _assign([(i // 4 % 2,) for i in range(24)], given=given, files=files)
    assert [r for r in remarks if "optimistic" in r] == [
        "Files are in more than one split, as a whole or with different spans (1): test accuracy "
        "may be too optimistic."
    ]


def test_drawn_splits_are_what_they_were() -> None:
    """Models that exist were tested on these splits."""
    rng = np.random.default_rng(7)
    labels = [(int(c),) for c in [*range(5), *range(5), *range(5), *rng.integers(5, size=200)]]
    groups: list[str | None] = [f"g{g}" for g in rng.integers(60, size=len(labels))]
    alone = "".join(split[1] for split in _assign(labels, seed=3)[0])
    grouped = "".join(split[1] for split in _assign(labels, groups=groups, seed=3)[0])
    digests = [hashlib.sha256(own.encode()).hexdigest()[:12] for own in (alone, grouped)]
    assert digests == ["5c86c81bb3b9", "adfc31a3ec14"]


def test_videos_with_several_labels_are_drawn_class_by_class() -> None:
    rng = np.random.default_rng(0)
    frequent = 1 / np.arange(1, 31)
    frequent /= frequent.sum()
    labels = [
        tuple(sorted(set(rng.choice(30, size=rng.integers(0, 6), p=frequent).tolist())))
        for _ in range(2000)
    ]
    splits, remarks = _assign(labels, multi_label=True)
    assert 0.12 < splits.count("test") / 2000 < 0.19
    assert 0.12 < splits.count("val") / 2000 < 0.19
    counts = {split: Counter[int]() for split in SPLITS}
    for own, split in zip(labels, splits, strict=True):
        counts[split].update(own or [-1])  # those without a label are shared out, too
    for label in range(-1, 30):
        total = sum(counts[split][label] for split in SPLITS)
        assert 0.10 < counts["test"][label] / total < 0.22, label
    assert remarks == []


def test_a_rare_class_among_several_is_a_remark() -> None:
    labels: list[tuple[int, ...]] = [(i % 2,) for i in range(40)]
    labels[0] = (0, 2)
    splits, remarks = _assign(labels, multi_label=True)
    assert splits[0] == "train"
    assert any("fewer than 3 clips to train on (1): c2" in said for said in remarks)
    with pytest.raises(UserError, match=r"too few are of 'c2' \(1\);"):
        _assign(labels)


def test_all_classes_that_are_too_rare_are_named() -> None:
    labels = [(i % 4,) for i in range(40)] + [(4,), (5,), (5,)]
    with pytest.raises(UserError, match=r"3 or more clips .* of 'c4' \(1\) and 'c5' \(2\); add"):
        _assign(labels)


def test_many_absent_classes_are_counted() -> None:
    labels = [(i % 40,) for i in range(120)]
    given: list[Split | None] = ["test" if i % 40 < 2 and i < 40 else "train" for i in range(120)]
    _, remarks = _assign(labels, given=given)
    assert (
        f"The test split has no clips of {', '.join(f'c{i}' for i in range(2, 22))} and 18 more."
        in remarks
    )


def test_memory_is_that_of_videos_and_classes_not_of_their_product() -> None:
    videos, classes = 20_000, 3_000  # as floats of 8 bytes, 480 MB
    labels = [(i % classes,) for i in range(videos)]
    rng = np.random.default_rng(0)
    tracemalloc.start()
    drawn = draw(labels, [None] * videos, classes, 0.15, rng)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30e6
    assert 2_900 <= drawn.sum() <= 3_100


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train", "train"),
        ("Validation", "val"),
        ("eval", "val"),
        ("videos_train", "train"),
        ("val_256", "val"),
        ("testset", "test"),
        ("01-test", "test"),
        ("train_station", None),
        ("rowing test", None),
        ("trainer", None),
        ("", None),
        ("set", None),
    ],
)
def test_names_of_splits(name: str, split: Split | None) -> None:
    assert split_named(name) == split
