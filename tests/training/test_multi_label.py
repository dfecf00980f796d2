"""Videos of several classes: average precision, the loss, and training end to end."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from vidnas.core import UserError
from vidnas.data.augmentation import Augmentation, mix
from vidnas.data.sampling import clips_of
from vidnas.training import (
    MultiLabel,
    MultiLabelMetrics,
    SingleLabel,
    TrainingSettings,
    evaluate,
    measure_time_use,
    task_of,
    train,
)
from vidnas.training.evaluation import to_input
from vidnas.training.loss import TrainingLoss
from vidnas.training.metrics import average_precision, score_multi_label
from vidnas.training.tasks import balanced_weights


def precision(scores: list[float], shown: list[int]) -> float | None:
    return average_precision(torch.tensor(scores), torch.tensor(shown))


def charades(scores: np.ndarray, shown: np.ndarray) -> float:
    """As `Charades_v1_classify.m` computes it, one class after the other."""
    precisions = []
    for one, truth in zip(scores.T, shown.T, strict=True):
        hits, total = 0, 0.0
        for rank, video in enumerate(np.argsort(-one), 1):
            if truth[video]:
                hits += 1
                total += hits / rank
        if hits:
            precisions.append(total / hits)
    return float(np.mean(precisions))


def drawn(
    seed: int, videos: int = 60, classes: int = 7, rate: float = 0.2
) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand(videos, classes, generator=generator, dtype=torch.float64)
    return scores, (torch.rand(videos, classes, generator=generator) < rate).float()


# Average precision


def test_average_precision_by_hand():
    # Right at ranks 1 and 3: (1/1 + 2/3) / 2.
    assert precision([0.5, 0.9, 0.6, 0.7, 0.8], [0, 1, 0, 1, 0]) == pytest.approx(5 / 6)
    assert precision([0.9, 0.8, 0.1], [0, 0, 1]) == pytest.approx(1 / 3)
    assert precision([0.9, 0.8, 0.1], [0, 0, 0]) is None


def test_metrics_of_four_videos_by_hand():
    scores = torch.tensor([[0.9, 0.2, 0.3], [0.8, 0.7, 0.1], [0.3, 0.6, 0.2], [0.7, 0.1, 0.4]])
    shown = torch.tensor([[1.0, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 0]])
    found = score_multi_label(scores, shown)
    assert found.average_precision == (pytest.approx((1 + 2 / 4) / 2), 1.0, None)
    assert found.map == found.headline_share == pytest.approx((0.75 + 1) / 2)  # two classes occur
    assert (found.clips, found.positives, found.headline_name) == (4, (2, 1, 0), "mAP")
    loss = F.binary_cross_entropy(scores, shown).item()
    assert found.loss == pytest.approx(loss)
    assert found.likelihood == pytest.approx(math.exp(-loss))
    assert found.rank == (found.map, -found.loss)


@pytest.mark.parametrize("seed", range(5))
def test_it_is_what_the_published_code_computes(seed: int):
    scores, shown = drawn(seed)
    assert not shown.any(dim=1).all()  # some videos show nothing, and count as well
    found = score_multi_label(scores, shown)
    assert found.map == pytest.approx(charades(scores.numpy(), shown.numpy()))


def test_a_video_without_labels_counts():
    assert precision([0.9, 0.8], [1, 1]) == 1
    assert precision([0.9, 0.8, 0.95], [1, 1, 0]) == pytest.approx((1 / 2 + 2 / 3) / 2)


@pytest.mark.parametrize("seed", range(3))
def test_only_the_order_of_scores_matters(seed: int):
    scores, shown = drawn(seed)
    found = score_multi_label(scores, shown)
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(scores)))
    assert score_multi_label(scores[order], shown[order]).map == pytest.approx(found.map)
    assert score_multi_label(scores**3 / 2, shown).map == pytest.approx(found.map)
    tied = scores.round(decimals=1)
    assert score_multi_label(tied[order], shown[order]).map == pytest.approx(
        score_multi_label(tied, shown).map
    )


@pytest.mark.parametrize("seed", range(3))
def test_average_precision_keeps_its_bounds(seed: int):
    scores, shown = drawn(seed, classes=1)
    one, truth = scores[:, 0], shown[:, 0]
    right, count = int(truth.sum()), len(one)
    worst = float(np.mean([i / (count - right + i) for i in range(1, right + 1)]))
    assert average_precision(truth, truth) == 1
    assert average_precision(1 - truth, truth) == pytest.approx(right / count)  # tied at the end
    last = torch.arange(count) - count * truth
    assert average_precision(last, truth) == pytest.approx(worst)
    found = average_precision(one, truth)
    assert found is not None
    assert worst <= found <= 1
    assert average_precision(torch.full((count,), 0.3), truth) == pytest.approx(right / count)
    video = int(truth.argmax())
    higher = one.clone()
    higher[video] = 2
    assert average_precision(higher, truth) >= found


# Scores of videos


def test_a_video_shows_what_one_of_its_clips_shows():
    scores = torch.tensor([[[0.1, 0.9], [0.8, 0.2]], [[0.3, 0.3], [0.2, 0.4]]])
    pooled = MultiLabel().pooled(scores)
    assert torch.equal(pooled, torch.tensor([[0.8, 0.9], [0.3, 0.4]]))
    assert torch.equal(MultiLabel().answers(pooled), torch.tensor([[True, True], [False, False]]))


def test_several_clips_are_pooled_by_their_maximum(shown, fresh):
    network = fresh().eval()
    videos = shown.videos("test")
    rows = []
    for video in videos:
        (clips,) = clips_of(shown.frames(video), network.architecture.inputs, 3)
        with torch.no_grad():
            rows.append(network(to_input(clips, torch.device("cpu"))).sigmoid().amax(dim=0))
    expected = score_multi_label(torch.stack(rows), torch.from_numpy(shown.targets[videos]))
    found = evaluate(network, shown, "test", clips_per_video=3, batch_size=5)
    assert found.average_precision == pytest.approx(expected.average_precision)
    assert found.loss == pytest.approx(expected.loss, rel=1e-5)


def test_a_single_class_is_one_of_several(cache, fresh):
    network = fresh()
    found = evaluate(network, cache, "test", task=MultiLabel())
    assert isinstance(found, MultiLabelMetrics)
    assert found.positives == (4, 4, 4)


def test_several_classes_are_too_many_for_a_model_of_one(shown, fresh):
    with pytest.raises(UserError, match="one label each"):
        evaluate(fresh(), shown, "test", task=SingleLabel())


def test_a_split_that_shows_nothing_is_named(shown, fresh, monkeypatch):
    monkeypatch.setattr(shown, "targets", 0 * shown.targets)
    with pytest.raises(UserError, match="shows any of the classes"):
        evaluate(fresh(), shown, "val")


# The loss


def batch(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(6, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    return logits, (torch.rand(6, 3, generator=generator) < 0.4).double()


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_the_gradient_is_score_minus_target(smoothing: float):
    logits, targets = batch()
    MultiLabel().loss(logits, targets, smoothing=smoothing, weights=None).backward()
    smoothed = targets * (1 - smoothing) + smoothing / 3
    expected = (logits.detach().sigmoid() - smoothed) / logits.numel()
    assert torch.allclose(logits.grad, expected)


def test_weights_count_where_a_class_is_shown():
    logits, targets = batch()
    weights = torch.tensor([1.0, 5.0, 0.5], dtype=torch.float64)
    MultiLabel().loss(logits, targets, smoothing=0.0, weights=weights).backward()
    scores = logits.detach().sigmoid()
    expected = torch.where(targets > 0, weights * (scores - 1), scores) / logits.numel()
    assert torch.allclose(logits.grad, expected)


@pytest.mark.parametrize("task", [SingleLabel(), MultiLabel()])
def test_gradients_agree_with_differences(task):
    logits, targets = batch(1)
    targets = targets if task.multi_label else targets.softmax(dim=1)
    weights = torch.tensor([0.5, 2.0, 1.0], dtype=torch.float64)

    def loss(at: torch.Tensor) -> torch.Tensor:
        return task.loss(at, targets, smoothing=0.1, weights=weights)

    assert torch.autograd.gradcheck(loss, (logits,))


def test_the_loss_of_mixed_clips_is_mixed():
    """Mixup lays two clips over each other: targets of several labels are mixed as others are."""
    logits, targets = batch()
    clips = torch.zeros(6, 3, 1, 1, 1)
    _, mixed = mix([clips], targets, np.random.default_rng(0), 0.4)
    rng = np.random.default_rng(0)
    share = rng.beta(0.4, 0.4)
    others = targets[torch.from_numpy(rng.permutation(6))]

    def loss(to: torch.Tensor) -> float:
        return MultiLabel().loss(logits, to, smoothing=0.1, weights=None).item()

    assert ((mixed >= 0) & (mixed <= 1)).all()
    assert loss(mixed) == pytest.approx(share * loss(targets) + (1 - share) * loss(others))


def test_weights_are_for_those_who_ask(shown):
    assert task_of(shown) == MultiLabel(balanced=False)
    settings = TrainingSettings(epochs=1)
    assert TrainingLoss(task_of(shown), settings, shown).weights is None
    asked = task_of(shown, "balanced")
    weights = TrainingLoss(asked, settings, shown).weights
    assert torch.equal(weights, balanced_weights(shown))


# Training


def test_a_network_learns_several_labels(shown, fresh):
    changes = Augmentation(crop_scale_min=0.7, mixup=0.2)
    settings = TrainingSettings(epochs=12, batch_size=8, learning_rate=0.02, augmentation=changes)
    network = fresh()
    before = evaluate(network, shown, "val")
    report = train(network, shown, settings, seed=0)
    assert isinstance(report.validation, MultiLabelMetrics)
    assert report.validation.map >= 0.95 > before.map
    assert report.validation.loss < before.loss
    assert report.history[-1].train_loss < report.history[0].train_loss
    found = measure_time_use(
        network, shown, "test", clips_per_video=2, rng=np.random.default_rng(0)
    )
    assert found.shuffled == evaluate(network, shown, "test", clips_per_video=2).map
