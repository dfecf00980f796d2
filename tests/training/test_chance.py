"""How sure an accuracy is, and what guessing reaches."""

from __future__ import annotations

import pytest
import torch
from judged import judged

from vidnas.training import MultiLabelMetrics
from vidnas.training.chance import (
    accuracy_interval,
    chance_level,
    chance_warning,
    describe_guessing,
    is_at_chance,
    majority_class,
    majority_share,
    wilson_interval,
)
from vidnas.training.metrics import score_multi_label


@pytest.mark.parametrize(
    ("hits", "count", "expected"),
    [  # as scipy.stats.binomtest(hits, count).proportion_ci(method="wilson") says
        (10, 30, (0.19231, 0.51220)),
        (0, 10, (0.0, 0.27754)),
        (10, 10, (0.72246, 1.0)),
        (1, 1, (0.20655, 1.0)),
        (0, 0, (0.0, 1.0)),
    ],
)
def test_wilson(hits: int, count: int, expected: tuple[float, float]) -> None:
    assert wilson_interval(hits, count) == pytest.approx(expected, abs=1e-4)


def test_wilson_agrees_with_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    for count in (1, 3, 17, 240):
        for hits in {0, 1, count // 3, count}:
            theirs = stats.binomtest(hits, count).proportion_ci(method="wilson")
            assert wilson_interval(hits, count) == pytest.approx(
                (theirs.low, theirs.high), abs=1e-6
            )


def test_a_mean_over_classes_is_as_sure_as_its_classes() -> None:
    alike = judged([[8, 2], [2, 8]], "mean_class")
    one = judged([[8, 2], [2, 8]])
    low, high = accuracy_interval(alike) or (0, 0)
    assert low < 0.8 < high
    assert (low, high) == pytest.approx(accuracy_interval(one), abs=0.04)
    few = judged([[80, 20], [1, 3]], "mean_class")  # the small class decides
    low, high = accuracy_interval(few) or (0, 0)
    assert high - low > 0.25
    whole = judged([[4, 0, 0], [0, 0, 0], [0, 0, 0]], "mean_class")  # classes without clips
    assert (accuracy_interval(whole) or (0, 0))[1] == 1.0


def test_guessing() -> None:
    three = judged([[6, 2, 2], [2, 3, 0], [1, 1, 3]])
    assert chance_level(three) == pytest.approx(1 / 3)
    assert (majority_class(three), majority_share(three)) == (0, 0.5)
    by_class = judged([[6, 2, 2], [2, 3, 0], [0, 0, 0]], "mean_class")
    assert chance_level(by_class) == pytest.approx(1 / 3)
    assert majority_share(by_class) == 0.5  # of the two classes that are there
    shown = torch.tensor([[1, 0, 0], [1, 1, 0], [0, 0, 0], [1, 0, 0]])
    several = score_multi_label(torch.rand(4, 3), shown)
    assert isinstance(several, MultiLabelMetrics)
    assert chance_level(several) == pytest.approx((3 / 4 + 1 / 4) / 2)
    assert majority_class(several) is None and majority_share(several) is None
    assert accuracy_interval(several) is None


@pytest.mark.parametrize(
    ("confusion", "at_chance"),
    [
        ([[10, 0, 0], [10, 0, 0], [10, 0, 0]], True),  # always one class
        ([[4, 3, 3], [3, 4, 3], [3, 3, 4]], True),
        ([[6, 2, 2], [2, 6, 2], [2, 2, 6]], False),
        ([[90, 0], [10, 0]], True),  # 90 % that anybody can have
        ([[89, 1], [1, 9]], False),
        ([[1, 0], [0, 1]], True),  # two clips prove nothing
        ([[40, 0, 0], [0, 0, 0], [0, 0, 0]], False),  # one class is there, and recognised
        ([[10, 15, 15], [0, 0, 0], [0, 0, 0]], True),
    ],
)
def test_what_is_at_chance(confusion: list[list[int]], at_chance: bool) -> None:
    assert is_at_chance(judged(confusion)) is at_chance


def test_one_class_alone_has_no_majority() -> None:
    perfect = judged([[40, 0, 0], [0, 0, 0], [0, 0, 0]])
    classes = ("left", "right", "up")
    assert chance_warning(perfect, classes) is None
    assert majority_share(perfect) is None
    assert describe_guessing(perfect, classes) == "guessing reaches 33.3%"


def test_precision_at_chance() -> None:
    shown = torch.tensor([[1, 0], [0, 1]]).repeat(20, 1)
    assert is_at_chance(score_multi_label(torch.full((40, 2), 0.5), shown))
    assert not is_at_chance(score_multi_label(shown.float(), shown))
