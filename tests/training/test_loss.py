"""What training minimises: labels, weights of classes, and what a teacher says."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from vidnas.training import TrainingSettings, train
from vidnas.training.loss import TrainingLoss, balanced_weights


def test_balanced_weights_count_every_class_the_same(cache):
    weights = dict(zip(cache.classes, balanced_weights(cache).tolist(), strict=True))
    assert weights == pytest.approx({"red": 21 / 27, "green": 21 / 27, "blue": 21 / 9})


def test_class_weights_enter_the_loss(cache, fresh):
    losses = [
        train(fresh(), cache, TrainingSettings(epochs=1, class_weights=kind), seed=0)
        .history[0]
        .train_loss
        for kind in ("none", "balanced")
    ]
    assert losses[0] != losses[1]


def batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits, taught = torch.randn(2, 5, 3, generator=generator)
    return logits, F.one_hot(torch.tensor([0, 2, 1, 1, 0]), 3).float(), taught.softmax(dim=1)


def test_labels_and_teacher_share_the_loss(cache):
    logits, targets, taught = batch()
    settings = TrainingSettings(epochs=1, label_smoothing=0.0, distillation=0.25)
    by_label = -(targets * logits.log_softmax(1)).sum(1).mean()
    by_teacher = -(taught * logits.log_softmax(1)).sum(1).mean()
    loss = TrainingLoss(settings, cache)
    assert loss(logits, targets).item() == pytest.approx(by_label.item())
    expected = 0.75 * by_label + 0.25 * by_teacher
    assert loss(logits, targets, taught).item() == pytest.approx(expected.item())


def test_the_loss_falls_towards_what_the_teacher_says(cache):
    _, targets, taught = batch()
    loss = TrainingLoss(TrainingSettings(epochs=1, distillation=1.0), cache)
    agreeing, others = taught.log(), [taught.log() + 0.3 * shift for shift in torch.eye(3)]
    entropy = -(taught * taught.log()).sum(1).mean()
    assert loss(agreeing, targets, taught).item() == pytest.approx(entropy.item())
    assert all(loss(one, targets, taught) > loss(agreeing, targets, taught) for one in others)


def test_a_network_learns_what_its_teacher_believes(cache, fresh):
    """The teacher takes every clip for class 1, whatever its label."""
    teacher = fresh(7)
    with torch.no_grad():
        teacher.dense.bias += torch.tensor([0.0, 20.0, 0.0])
    before = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}
    settings = TrainingSettings(epochs=20, batch_size=8, learning_rate=0.02)
    taught, untaught = fresh(), fresh()
    wholly = settings.model_copy(update={"distillation": 1.0})
    report = train(taught, cache, wholly, seed=0, teacher=teacher)
    assert [sum(column) for column in zip(*report.validation.confusion, strict=True)] == [0, 9, 0]
    assert report.history[-1].train_loss < report.history[0].train_loss
    assert train(untaught, cache, settings, seed=0).validation.top1 >= 0.8
    for name, tensor in teacher.state_dict().items():  # it was not trained itself
        assert torch.equal(tensor, before[name]), name
