"""Imbalanced classes: when they count alike, by what weights, and what follows from it."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from vidnas.data.balance import imbalance_remark, is_imbalanced
from vidnas.training import SingleLabel, TrainingSettings, task_of, train
from vidnas.training.loss import TrainingLoss
from vidnas.training.metrics import score
from vidnas.training.tasks import balanced_weights, task_remark

PROBABILITIES = torch.tensor([[0.9, 0.1]] * 8 + [[0.6, 0.4], [0.2, 0.8]])
LABELS = torch.tensor([0] * 8 + [1, 1])


def clips(*counts: int) -> SimpleNamespace:
    """What a task asks of a cache with so many training videos of each class."""
    labels = np.repeat(np.arange(len(counts)), counts)
    classes = tuple("abcdefgh"[: len(counts)])
    return SimpleNamespace(
        targets=labels, classes=classes, multi_label=False, videos=lambda _: np.arange(len(labels))
    )


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((30, 10), False),  # three times as many are not more than three times
        ((31, 10), True),
        ((69, 11, 10, 10), True),
        ((10, 10, 10), False),
        ((10, 0, 9), False),  # nothing is learned of a class without videos
        ((), False),
    ],
)
def test_classes_are_imbalanced_beyond_three_times(counts, expected) -> None:
    assert is_imbalanced(counts) is expected
    said = imbalance_remark("abcd"[: len(counts)], counts)
    assert (said is not None) is expected


def test_the_remark_names_the_classes_and_the_way_out() -> None:
    said = imbalance_remark(("empty", "full", "half"), (220, 12, 80))
    assert "'empty' has 220 training videos and 'full' has 12" in said
    assert "--class-weights none" in said


def test_what_counts_alike_is_found_or_asked() -> None:
    even, uneven = clips(9, 9, 3), clips(40, 10)
    assert task_of(even) == SingleLabel(balanced=False)
    assert task_of(uneven) == SingleLabel(balanced=True)
    assert task_of(even, "balanced") == SingleLabel(balanced=True)
    assert task_of(uneven, "none") == SingleLabel(balanced=False)
    assert task_remark(uneven, "auto") is not None
    for asked in ("none", "balanced"):  # who decides needs no remark
        assert task_remark(uneven, asked) is None
    assert task_remark(even, "auto") is None


def test_weights_are_bounded() -> None:
    assert balanced_weights(clips(30, 10)).tolist() == pytest.approx([20 / 30, 2])
    extreme = balanced_weights(clips(9_999, 1))
    assert extreme.tolist() == pytest.approx([0.5, 10], abs=1e-3)
    assert balanced_weights(clips(5, 5)).tolist() == [1, 1]


def test_weights_do_not_say_how_sure_to_be() -> None:
    """The same answers are the best ones with weights and without, also where labels are mixed."""
    uneven = clips(900, 50, 40)
    settings = TrainingSettings(epochs=1, class_weights="balanced", label_smoothing=0.1)
    loss = TrainingLoss(task_of(uneven, "balanced"), settings, uneven)
    targets = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0.25, 0.75]])
    logits = (0.9 * targets + 0.1 / 3).log().requires_grad_()
    loss(logits, targets).backward()
    assert logits.grad.abs().max() < 1e-6
    worse = loss(logits.detach().roll(1, 0), targets)
    assert worse > loss(logits, targets)


def test_training_weighs_imbalanced_classes_by_itself() -> None:
    uneven = clips(40, 10)
    settings = TrainingSettings(epochs=1)
    loss = TrainingLoss(task_of(uneven, settings.class_weights), settings, uneven)
    assert torch.equal(loss.weights, balanced_weights(uneven))
    logits = torch.zeros(2, 2, requires_grad=True)
    loss(logits, torch.eye(2)).backward()
    frequent, rare = logits.grad.norm(dim=1)
    assert rare > 3 * frequent


def test_the_mean_over_classes_is_what_ranks() -> None:
    plain, alike = (score(PROBABILITIES, LABELS, headline=name) for name in ("top1", "mean_class"))
    assert (plain.headline_share, alike.headline_share) == (0.9, 0.75)
    assert (plain.headline_name, alike.headline_name) == ("top-1", "mean class")
    assert list(alike.shares) == ["mean_class", "top1", "top5"]
    by_class = (-math.log(0.9) - (math.log(0.4) + math.log(0.8)) / 2) / 2
    assert alike.balanced_likelihood == pytest.approx(math.exp(-by_class))
    assert alike.accuracy == (0.75, pytest.approx(-by_class))
    assert alike.rank == (pytest.approx(-by_class), 0.75)
    assert plain.rank == (-plain.loss, 0.9)
    assert alike.recorded["balanced_likelihood"] == alike.balanced_likelihood
    assert "balanced_likelihood" not in plain.recorded


def test_who_always_says_the_frequent_class_does_not_win() -> None:
    """By the likelihood it would: it is sure, and right nine times of ten."""
    labels = torch.tensor([0] * 18 + [1, 1])
    lazy = torch.tensor([[0.9, 0.1]] * 20)
    alert = torch.tensor([[0.7, 0.3]] * 18 + [[0.3, 0.7]] * 2)
    one, other = (score(shown, labels, headline="mean_class") for shown in (lazy, alert))
    assert one.likelihood > other.likelihood
    assert one.balanced_likelihood < other.balanced_likelihood
    assert one.rank < other.rank


@pytest.mark.parametrize(
    ("of_family", "balanced"),
    [(("likelihood",), ("balanced_likelihood",)), (("top1", "top5"), ("mean_class",))],
)
def test_the_fitness_goes_with_the_headline(of_family, balanced) -> None:
    assert SingleLabel().fitness(of_family) == of_family
    assert SingleLabel(balanced=True).fitness(of_family) == balanced


def test_a_network_of_imbalanced_classes_is_judged_class_by_class(cache, fresh, monkeypatch):
    """Of the training clips, all but two of one colour are left out."""
    videos = cache.videos("train")
    few = [video for video in videos if cache.targets[video] == 0][2:]
    splits = cache._splits.copy()
    splits[few] = -1
    monkeypatch.setattr(cache, "_splits", splits)
    settings = TrainingSettings(epochs=2, batch_size=8)
    report = train(fresh(), cache, settings, seed=0)
    assert report.validation.headline == "mean_class"
    asked = settings.model_copy(update={"class_weights": "none"})
    plain = train(fresh(), cache, asked, seed=0)
    assert plain.validation.headline == "top1"
    assert plain.history[0].train_loss != report.history[0].train_loss
