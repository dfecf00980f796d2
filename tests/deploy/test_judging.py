"""How long finished networks take to be judged."""

from __future__ import annotations

import pytest
from search_toys import Toy

from vidnas.core import Evaluation
from vidnas.deploy.judging import Judging
from vidnas.evolution.trial import Proposal, Trial


def trial(number: int, fitness: float, *validation_s: float) -> Trial:
    """A candidate that was validated on every rung."""
    first, *more = [
        Evaluation(status="ok", fitness=fitness, metrics={"validation_s": seconds})
        for seconds in validation_s
    ]
    found = Trial(number, Proposal(Toy(widths=(number,))), first, 0.0)
    for one in more:
        found = found.climbed(one, 0.0)
    return found


def test_the_quickest_validation_tells_the_time_of_a_clip() -> None:
    judging = Judging(validation=100, test=200)
    # 10 ms per clip on the ladder. A finished network is asked about three clips of 300 videos; the
    # answer in its file and in torch the same, and for the test in three orders.
    clips = 3 * 300 + 3 * (2 * 300 + 3 * 200)
    expected_s = 0.01 * clips + 12
    assert judging.expected_s([trial(1, 0.5, 9.0, 1.0, 2.0)], 1) == pytest.approx(expected_s)


def test_of_large_splits_the_answer_is_asked_for_some_videos() -> None:
    judging = Judging(validation=100, test=10_000)
    clips = 3 * 10_100 + 3 * (2 * (100 + 256) + 4 * 256)
    assert judging.expected_s([trial(1, 0.5, 1.0)], 1) == pytest.approx(0.01 * clips + 12)


def test_all_are_judged_side_by_side_and_the_two_fittest_are_examined() -> None:
    judging = Judging(validation=100, test=0)
    trials = [trial(1, 0.5, 4.0), trial(2, 0.9, 2.0), trial(3, 0.8, 2.0)]
    assert judging.expected_s(trials, 2) == pytest.approx(3 * 8 / 2 + 6 * 4 + 12)


def test_one_that_has_the_time_of_one_worker_to_itself_answers_alone() -> None:
    trials = [trial(1, 0.5, 4.0), trial(2, 0.9, 2.0)]
    assert Judging(validation=100, test=0).expected_s(trials, 1) == pytest.approx(
        3 * 6 + 6 * 2 + 12
    )


def test_of_what_was_never_validated_the_page_alone_is_expected() -> None:
    unknown = Trial(1, Proposal(Toy(widths=(1,))), Evaluation(status="ok", fitness=0.5), 0.0)
    assert Judging(validation=0, test=10).expected_s([unknown], 1) == 12


def test_one_network_is_judged_by_one_worker_however_many_there_are() -> None:
    trials = [trial(1, 0.5, 4.0), trial(2, 0.9, 2.0)]
    assert Judging(validation=100, test=0).finished_s(trials, 8) == pytest.approx(3 * 4)
