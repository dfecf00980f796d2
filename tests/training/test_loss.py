"""What training minimises: how far from the labels, and the weights of classes."""

from __future__ import annotations

import pytest

from vidnas.training import TrainingSettings, train
from vidnas.training.tasks import balanced_weights


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
