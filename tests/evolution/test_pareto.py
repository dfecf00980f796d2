import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from search_toys import Toy, ToySpace

from vidnas.core import Cost, Evaluation, Latency, LatencyProtocol, UserError
from vidnas.evolution.strategies.pareto import (
    ParetoEvolution,
    crowding_distances,
    loss,
    non_domination_ranks,
)
from vidnas.evolution.trial import Proposal, Trial

# Few different values, so that points coincide and dominate each other often.
POINTS = st.tuples(st.integers(1, 7), st.integers(2, 3)).flatmap(
    lambda shape: arrays(float, shape, elements=st.sampled_from([0.0, 1.0, 2.0, 5.0, math.inf]))
)


def dominates(one, other) -> bool:
    better = [a < b for a, b in zip(one, other, strict=True)]
    worse = [a > b for a, b in zip(one, other, strict=True)]
    return any(better) and not any(worse)


def rank(point, points) -> int:
    """Length of the longest chain of points that each dominate the next, down to this one."""
    return max((1 + rank(one, points) for one in points if dominates(one, point)), default=0)


@given(POINTS)
def test_ranks_are_those_of_the_definition(points):
    rows = points.tolist()
    assert non_domination_ranks(points).tolist() == [rank(row, rows) for row in rows]


@given(st.lists(st.integers(0, 100), min_size=1, max_size=12, unique=True))
def test_crowding_on_a_line_is_twice_the_gap_between_neighbours(values):
    line = sorted(values)
    distances = crowding_distances(np.array([(x, -x) for x in line], float)).tolist()
    gaps = [2 * (right - left) / (line[-1] - line[0])
            for left, right in zip(line, line[2:], strict=False)]  # fmt: skip
    ends = [math.inf] if len(line) > 1 else [0.0]
    assert distances == pytest.approx([*ends, *gaps, *ends][: len(line)])


@given(POINTS, st.randoms())
def test_crowding_is_a_number_and_the_sum_is_the_same_in_any_order(points, random):
    distances = crowding_distances(points)
    assert (distances >= 0).all()
    order = [*range(len(points))]
    random.shuffle(order)
    assert crowding_distances(points[order]).sum() == pytest.approx(distances.sum())


def cost(latency_ms=None, macs=1, parameters=1) -> Cost:
    protocol = LatencyProtocol(
        device="cpu", runtime="torch", threads=1, dtype="float32", batch=1, warmup=1, repeats=1
    )
    latency = latency_ms and Latency(
        p50_ms=latency_ms, p90_ms=latency_ms, spread=0.0, protocol=protocol
    )
    return Cost(parameters=parameters, macs=macs, activation_bytes=1, latency=latency)


def trial(number, fitness, parent=None, **costs) -> Trial:
    evaluation = Evaluation(status="ok", fitness=fitness, cost=cost(**costs))
    return Trial(number, Proposal(Toy(widths=(number + 1,) * 4), parent), evaluation, 0.0)


def survivors(trials, **settings) -> list[int]:
    strategy = ParetoEvolution(len(trials) - 1, 1, **settings)
    for one in trials:
        strategy.observe(one)
    return [one.number for one in strategy.members]


def test_losses_are_the_objectives_and_infinite_where_unknown():
    one = trial(0, 0.25, latency_ms=3.0, macs=20, parameters=7)
    names = ("accuracy", "latency", "macs", "parameters")
    assert [loss(one, name) for name in names] == [-0.25, 3.0, 20, 7]
    assert loss(trial(0, 0.25), "latency") == math.inf
    bare = Trial(0, one.proposal, Evaluation(status="ok", fitness=0.25), 0.0)
    assert [loss(bare, name) for name in names] == [-0.25, math.inf, math.inf, math.inf]


def test_the_dominated_leave_first_then_the_crowded():
    front = [trial(n, fitness, latency_ms=ms) for n, (fitness, ms) in
             enumerate([(0.1, 1.0), (0.5, 5.0), (0.55, 5.5), (0.9, 10.0)])]  # fmt: skip
    assert survivors([*front, trial(4, 0.05, latency_ms=2.0)]) == [0, 1, 2, 3]
    assert survivors([*front, trial(4, 0.52, latency_ms=5.2)]) == [0, 1, 2, 3]
    assert survivors([*front, trial(4, 0.95, latency_ms=20.0)]) == [0, 1, 3, 4]


def test_accuracy_is_compared_on_the_same_rung_only():
    higher = trial(0, 0.9, latency_ms=2.0).climbed(trial(0, 0.1, latency_ms=2.0).evaluation, 0.0)
    below = [trial(n, 0.5 + 0.1 * n, latency_ms=3.0 - n) for n in (1, 2)]
    strategy = ParetoEvolution(3, 3)
    for one in [higher, *below]:
        strategy.observe(one)
    fronts = [-rank for rank, _ in strategy.merits()]
    assert fronts == [0, 1, 0]  # 1 is as fast as the one that climbed, and 2 is faster


def test_what_has_no_latency_is_worse_than_any_that_has():
    slow = [trial(n, 0.5, latency_ms=100.0 + n) for n in range(3)]
    assert survivors([trial(9, 0.5), *slow]) == [0, 1, 2]


def test_a_full_tournament_takes_a_parent_from_the_front():
    strategy = ParetoEvolution(4, 4, objectives=("accuracy", "macs"))
    for n, (fitness, macs) in enumerate([(0.9, 100), (0.8, 200), (0.1, 10), (0.7, 300)]):
        strategy.observe(trial(n, fitness, macs=macs))
    parents = {
        strategy.propose(ToySpace(), np.random.default_rng(seed)).parent for seed in range(20)
    }
    assert parents == {0, 2}


@pytest.mark.parametrize("objectives", [("accuracy", "latency"), ("latency", "macs", "parameters")])
def test_the_population_keeps_the_whole_front_if_there_is_room(objectives):
    rng = np.random.default_rng(0)
    trials = [
        trial(n, float(rng.random()), latency_ms=float(rng.random()) + 0.1,
              macs=int(rng.integers(1, 99)), parameters=int(rng.integers(1, 99)))
        for n in range(40)
    ]  # fmt: skip
    losses = np.array([[loss(one, name) for name in objectives] for one in trials])
    front = set(np.flatnonzero(non_domination_ranks(losses) == 0).tolist())
    strategy = ParetoEvolution(len(front) + 1, 1, objectives=objectives)
    for one in trials:
        strategy.observe(one)
    assert front <= {one.number for one in strategy.members}


@pytest.mark.parametrize(
    "objectives", [(), ("accuracy",), ("latency", "latency"), ("accuracy", "beauty"),
                   ("accuracy", "latency", "macs", "parameters")],
)  # fmt: skip
def test_impossible_objectives_are_rejected(objectives):
    with pytest.raises(UserError, match="two or three different"):
        ParetoEvolution(objectives=objectives)


def test_description_holds_every_setting():
    given = {"population": 7, "tournament": 3, "mutations": 2, "mutation_decay": 5.0}
    described = ParetoEvolution(**given, guided=False, objectives=("macs", "accuracy")).describe()
    assert described == {
        "name": "pareto", **given, "guided": False, "objectives": ["macs", "accuracy"]
    }  # fmt: skip
