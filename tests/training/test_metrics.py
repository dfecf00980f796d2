"""Metrics against values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from vidnas.core import UserError
from vidnas.data.sampling import clips_of
from vidnas.training import evaluate
from vidnas.training.evaluation import to_input
from vidnas.training.metrics import score


def test_score_of_four_clips():
    probabilities = torch.tensor(
        [
            [0.7, 0.2, 0.1],  # class 0, found
            [0.1, 0.6, 0.3],  # class 0, taken for 1
            [0.2, 0.5, 0.3],  # class 1, found
            [0.1, 0.8, 0.1],  # class 1, found
        ]
    )
    metrics = score(probabilities, torch.tensor([0, 0, 1, 1]))
    assert metrics.clips == 4
    assert metrics.top1 == 0.75
    assert metrics.top5 == 1.0  # only three classes
    assert metrics.mean_class == 0.75  # (1/2 + 2/2) / 2; class 2 has no clips
    assert metrics.confusion == ((1, 1, 0), (0, 2, 0), (0, 0, 0))
    expected = -sum(math.log(p) for p in (0.7, 0.1, 0.5, 0.8)) / 4
    assert metrics.loss == pytest.approx(expected, rel=1e-6)


def test_mean_class_is_not_led_by_the_large_class():
    probabilities = torch.eye(2)[torch.tensor([0] * 10)]
    metrics = score(probabilities, torch.tensor([0] * 9 + [1]))
    assert (metrics.top1, metrics.mean_class) == (0.9, 0.5)
    assert math.isfinite(metrics.loss)


def test_top5_of_seven_classes():
    ranking = torch.tensor([[7.0, 6, 5, 4, 3, 2, 1]]).softmax(dim=1).repeat(7, 1)
    metrics = score(ranking, torch.arange(7))
    assert metrics.top5 == pytest.approx(5 / 7)
    assert metrics.top1 == pytest.approx(1 / 7)


def test_several_clips_are_averaged_as_probabilities(cache, fresh):
    network = fresh().eval()
    videos = cache.videos("test")
    rows = []
    for video in videos:
        (clips,) = clips_of(cache.frames(video), network.architecture.inputs, 3)
        with torch.no_grad():
            rows.append(network(to_input(clips, torch.device("cpu"))).softmax(dim=1).mean(dim=0))
    expected = score(torch.stack(rows), torch.from_numpy(cache.targets[videos]))
    # 12 videos x 3 clips in batches of 5: a video's clips fall into two batches.
    found = evaluate(network, cache, "test", clips_per_video=3, batch_size=5)
    assert found.confusion == expected.confusion
    assert found.loss == pytest.approx(expected.loss, rel=1e-5)
    assert found.clips == len(videos)


def test_evaluation_changes_nothing(cache, fresh):
    network = fresh().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert evaluate(network, cache, "val") == evaluate(network, cache, "val")
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_an_empty_split_is_named(cache, fresh, monkeypatch):
    monkeypatch.setattr(cache, "_splits", np.where(cache._splits == "test", "val", cache._splits))
    with pytest.raises(UserError, match="test split has no videos"):
        evaluate(fresh(), cache, "test")
