"""How long finished networks take to be judged."""

from __future__ import annotations

import pytest
from search_toys import Toy

from vidnas.core import Cost, Evaluation
from vidnas.deploy.judging import Judging
from vidnas.evolution.limits import Limits
from vidnas.evolution.trial import Proposal, Trial


def trial(number: int, fitness: float, *validation_s: float, parameters: int = 10) -> Trial:
    """A candidate that was validated on every rung."""
    cost = Cost(parameters=parameters, macs=1000, activation_bytes=100)
    first, *more = [
        Evaluation(status="ok", fitness=fitness, metrics={"validation_s": seconds}, cost=cost)
        for seconds in validation_s
    ]
    found = Trial(number, Proposal(Toy(widths=(number,))), first, 0.0)
    for one in more:
        found = found.climbed(one, 0.0)
    return found


def test_the_quickest_validation_tells_the_time_of_a_clip() -> None:
    judging = Judging(validation=100, test=200)
    # 10 ms per clip on the ladder. A finished network is asked about three clips of 300 videos; the
    # answer in its file the same, and for the test in three orders.
    clips = 3 * 300 + 3 * (300 + 3 * 200)
    expected_s = 0.01 * clips + 12
    assert judging.expected_s([trial(1, 0.5, 9.0, 1.0, 2.0)], 1) == pytest.approx(expected_s)


def test_of_large_splits_the_answer_is_asked_for_some_videos() -> None:
    judging = Judging(validation=100, test=10_000)
    clips = 3 * 10_100 + 3 * (100 + 256 + 3 * 256)
    assert judging.expected_s([trial(1, 0.5, 1.0)], 1) == pytest.approx(0.01 * clips + 12)


def test_all_are_judged_side_by_side_and_the_slowest_is_examined() -> None:
    judging = Judging(validation=100, test=0)
    trials = [trial(1, 0.5, 4.0), trial(2, 0.9, 2.0), trial(3, 0.8, 2.0)]
    assert judging.expected_s(trials, 2) == pytest.approx(3 * 8 / 2 + 3 * 4 + 12)


@pytest.mark.parametrize(("parameters", "slowest_s"), [(99, 4), (100, 5), (150, 6), (160, 7)])
def test_those_are_examined_together_that_may_vote(parameters: int, slowest_s: float) -> None:
    judging = Judging(validation=100, test=0, limits=Limits(parameters=parameters))
    trials = [
        trial(1, 0.5, 4.0, parameters=90),
        trial(2, 0.9, 2.0, parameters=60),
        trial(3, 0.8, 1.0, parameters=10),
    ]
    finished_s = judging.finished_s(trials, 2)
    assert judging.expected_s(trials, 2) == pytest.approx(finished_s + 3 * slowest_s + 12)


def test_of_what_was_never_validated_the_page_alone_is_expected() -> None:
    unknown = Trial(1, Proposal(Toy(widths=(1,))), Evaluation(status="ok", fitness=0.5), 0.0)
    assert Judging(validation=0, test=10).expected_s([unknown], 1) == 12


def test_one_network_is_judged_by_one_worker_however_many_there_are() -> None:
    trials = [trial(1, 0.5, 4.0), trial(2, 0.9, 2.0)]
    assert Judging(validation=100, test=0).finished_s(trials, 8) == pytest.approx(3 * 4)
