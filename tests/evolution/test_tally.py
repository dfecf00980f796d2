from search_toys import Toy

from vidnas.core import Evaluation
from vidnas.evolution.tally import Tally
from vidnas.evolution.trial import Proposal, Trial

FAILED = Evaluation(status="failed")


def ok(fitness: float) -> Evaluation:
    return Evaluation(status="ok", fitness=fitness)


def trial(number: int, fitness: float) -> Trial:
    return Trial(number, Proposal(Toy(widths=(number + 1,))), ok(fitness), 0.0)


def test_a_candidate_counts_once_however_high_it_climbs():
    tally, one = Tally(), trial(0, 0.5)
    for event in (one, trial(1, 0.6), one.climbed(ok(0.7), 1.0)):
        tally.take(event)
    assert tally.counts == {"ok": 2}
    assert tally.evaluated == 2
    assert tally.best == one.climbed(ok(0.7), 1.0)


def test_one_that_was_lucky_is_not_the_best_for_ever():
    tally, one = Tally(), trial(0, 0.9)
    for event in (one, trial(1, 0.6), one.climbed(ok(0.5), 1.0)):
        tally.take(event)
    assert tally.best == trial(1, 0.6)


def test_one_that_fails_on_a_higher_rung_has_failed_and_the_next_best_is_the_best():
    tally, one = Tally(), trial(0, 0.9)
    for event in (one, trial(1, 0.5), trial(2, 0.6), one.climbed(FAILED, 1.0)):
        tally.take(event)
    assert tally.counts == {"ok": 2, "failed": 1}
    assert tally.best == trial(2, 0.6)
