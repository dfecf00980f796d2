"""Choosing which finished networks answer together."""

from __future__ import annotations

import pytest
import torch

from vidnas.core import Cost, Latency, LatencyProtocol
from vidnas.deploy.ensemble import Predictions
from vidnas.deploy.voting import MOST_VOTERS, choose_votes
from vidnas.evolution.limits import Limits
from vidnas.training import MultiLabel

LABELS = torch.tensor([0, 1, 0, 1, 0, 1, 0, 1])
PROTOCOL = LatencyProtocol(
    device="cpu", runtime="onnxruntime 1", threads=1, dtype="float32", batch=1, warmup=3, repeats=60
)


def cost(ms: float, *, parameters: int = 10, memory: int = 100) -> Cost:
    latency = Latency(p50_ms=ms, p90_ms=2 * ms, spread=0.01, protocol=PROTOCOL)
    return Cost(parameters=parameters, macs=1000, activation_bytes=memory, latency=latency)


def predicted(*rows: str, sure: float = 2.0) -> Predictions:
    """What networks say that are right (1) or wrong (0) about each video, equally sure."""
    logits = []
    for right in rows:
        said = torch.tensor([int(one) for one in right]) == LABELS.eq(LABELS).int()
        answers = torch.where(said, LABELS, 1 - LABELS)
        logits.append(sure * torch.nn.functional.one_hot(answers, 2)[:, None].float())
    return Predictions(torch.stack(logits), LABELS)


def test_networks_that_err_elsewhere_vote_within_the_limit() -> None:
    validation = predicted("11111100", "11001111", "00111111")
    costs = [cost(2.0), cost(2.0), cost(2.5)]
    assert choose_votes(validation, costs, Limits(latency_ms=7))[0] == (0, 1, 2)
    together = choose_votes(validation, costs, Limits(latency_ms=4.2))
    assert together == [(0, 1)]  # the others cost 4.5 ms or more
    assert choose_votes(validation, costs, Limits(latency_ms=3.9)) == []
    assert choose_votes(validation, costs, Limits(parameters=20))[0] == (0, 1)
    # One runs after the other: memory does not add up.
    assert (0, 1, 2) in choose_votes(validation, costs, Limits(memory_bytes=100))


def test_nothing_votes_that_is_no_surer() -> None:
    same = predicted("11111100", "11111100", "11110000")
    assert choose_votes(same, [cost(1.0)] * 3, Limits(latency_ms=9)) == []


def test_a_network_that_is_always_right_answers_alone() -> None:
    certain = predicted("11111111", "11111111", sure=1.0)
    assert choose_votes(certain, [cost(1.0)] * 2, Limits(latency_ms=9)) == []


def test_few_vote_however_many_are_finished() -> None:
    rows = [f"{'1' * at}0{'1' * (7 - at)}" for at in range(6)]
    votes = choose_votes(predicted(*rows), [cost(1.0)] * 6, Limits(latency_ms=99))
    assert {len(one) for one in votes} == set(range(2, MOST_VOTERS + 1))


def test_costs_in_turn() -> None:
    both = Cost.in_turn([cost(2.0, memory=300), cost(1.5)])
    assert (both.parameters, both.macs, both.activation_bytes) == (20, 2000, 300)
    assert both.latency and both.latency.p50_ms == pytest.approx(3.5)
    untimed = Cost(parameters=1, macs=1)
    assert Cost.in_turn([cost(2.0), untimed]).latency is None


def shown(*scores: list[float]) -> Predictions:
    """What networks say of one class of six videos, of which the first two show it."""
    labels = torch.tensor([[1.0], [1.0], [0.0], [0.0], [0.0], [0.0]])
    logits = torch.tensor(scores)[:, :, None, None]
    return Predictions(logits, labels, MultiLabel())


ALONE = [3.0, -4.0, -3.0, -5.0, -5.0, -5.0]
"""The third video comes second: an mAP of 5 / 6."""


def test_of_several_labels_the_order_decides_and_not_how_sure_a_vote_is() -> None:
    costs, limits = [cost(1.0)] * 2, Limits(latency_ms=9)
    # Together they are surer, and the first of those that show it is no longer first.
    worse = shown(ALONE, [-3.0, 3.0, 3.2, -1.0, -1.0, -1.0])
    alone, both = (worse.score(voters) for voters in ((0,), (0, 1)))
    assert both.loss < alone.loss and both.headline_share < alone.headline_share
    assert choose_votes(worse, costs, limits) == []
    better = shown(ALONE, [20.0, 24.0, 20.0, 20.0, 20.0, 20.0])
    alone, both = (better.score(voters) for voters in ((0,), (0, 1)))
    assert both.loss > alone.loss and both.headline_share > alone.headline_share
    assert choose_votes(better, costs, limits) == [(0, 1)]
