import numpy as np
import pytest
from search_toys import Toy, ToyEvaluator, ToySpace

from vidnas.core import Evaluation, UserError
from vidnas.evolution.strategies import LocalSearch, RandomSearch
from vidnas.evolution.trial import Proposal, Trial


def trial(number, fitness=None, parent=None, status="ok") -> Trial:
    proposal = Proposal(Toy(widths=(number + 1,) * 4), parent)
    return Trial(number, proposal, Evaluation(status=status, fitness=fitness), 0.0)


def after(*trials, patience=2) -> LocalSearch:
    strategy = LocalSearch(patience)
    for one in trials:
        strategy.observe(one)
    return strategy


def parent_of_next(strategy) -> int | None:
    return strategy.propose(ToySpace(), np.random.default_rng(0)).parent


def test_starts_at_random_and_proposes_neighbours_of_one_mutation():
    assert parent_of_next(after()) is None
    assert parent_of_next(after(trial(0, status="failed"))) is None
    proposal = after(trial(0, 0.5)).propose(ToySpace(), np.random.default_rng(0))
    assert proposal.parent == 0
    assert len(proposal.mutations) == 1


def test_moves_to_the_first_better_neighbour():
    assert parent_of_next(after(trial(0, 0.5), trial(1, 0.5, parent=0))) == 0
    assert parent_of_next(after(trial(0, 0.5), trial(1, 0.6, parent=0))) == 1


@pytest.mark.parametrize("status", ["rejected", "failed"])
def test_restarts_when_patience_ends_also_where_all_neighbours_are_rejected(status):
    rejected = [trial(n, parent=0, status=status) for n in (1, 2)]
    assert parent_of_next(after(trial(0, 0.5), rejected[0])) == 0
    assert parent_of_next(after(trial(0, 0.5), *rejected)) is None
    assert parent_of_next(after(trial(0, 0.5), *rejected, trial(3, 0.1))) == 3


def test_late_neighbours_count_in_their_own_climb_only():
    climb = [trial(0, 0.5), trial(1, 0.6, parent=0)]
    assert parent_of_next(after(*climb, trial(2, 0.7, parent=0))) == 2
    restarted = [*climb, trial(2, 0.1, parent=1), trial(3, 0.1, parent=1), trial(4, 0.2)]
    assert parent_of_next(after(*restarted)) == 4
    assert parent_of_next(after(*restarted, trial(5, 0.55, parent=0))) == 4


def test_rungs_above_the_lowest_decide_nothing_but_failure_ends_a_climb():
    climb = [trial(0, 0.5), trial(1, 0.6, parent=0)]
    higher = climb[0].climbed(Evaluation(status="ok", fitness=0.9), 0.0)
    worse = climb[1].climbed(Evaluation(status="ok", fitness=0.1), 0.0)
    assert parent_of_next(after(*climb, higher, worse, worse)) == 1
    failed = climb[1].climbed(Evaluation(status="failed"), 0.0)
    assert parent_of_next(after(*climb, failed)) == 0


def best_of(strategy, seed, evaluations=60) -> float:
    space, rng, best = ToySpace(), np.random.default_rng(seed), 0.0
    for number in range(evaluations):
        proposal = strategy.propose(space, rng)
        evaluation = ToyEvaluator().evaluate(proposal.architecture, seed, None)
        strategy.observe(Trial(number, proposal, evaluation, 0.0))
        best = max(best, evaluation.fitness)
    return best


def test_beats_random_search():
    climbed = [best_of(LocalSearch(), seed) for seed in range(10)]
    drawn = [best_of(RandomSearch(), seed) for seed in range(10)]
    assert np.median(climbed) > max(drawn)


def test_impossible_patience_is_rejected():
    with pytest.raises(UserError, match="patience of 0"):
        LocalSearch(0)


def test_description_holds_every_setting():
    given = {"patience": 7, "guided": False}
    assert LocalSearch(**given).describe() == {"name": "local", **given}
