import numpy as np
import pytest
from search_toys import Toy, ToySpace

from vidnas.core import Evaluation, UserError
from vidnas.evolution.local_search import LocalSearch
from vidnas.evolution.pareto import ParetoEvolution
from vidnas.evolution.strategies import (
    RandomSearch,
    TournamentEvolution,
    mutations_per_child,
    select,
)
from vidnas.evolution.trial import Proposal, Trial


def trial(number, fitness=None, status="ok", parent=None) -> Trial:
    proposal = Proposal(Toy(widths=(number + 1,) * 4), parent)
    return Trial(number, proposal, Evaluation(status=status, fitness=fitness), 0.0)


def numbers(trials):
    return [t.number for t in trials]


def test_mutation_schedule_falls_to_one():
    assert mutations_per_child(0, most=3, decay=20) == 3
    assert mutations_per_child(19, most=3, decay=20) == 3
    assert mutations_per_child(20, most=3, decay=20) == 2
    assert mutations_per_child(40, most=3, decay=20) == 1
    assert mutations_per_child(10_000, most=3, decay=20) == 1


def after(trials, **settings):
    """Numbers of those who stay when the last of the trials comes."""
    evolution = TournamentEvolution(population=3, tournament=1, **settings)
    for one in trials:
        evolution.observe(one)
    return numbers(evolution.population)


def test_worst_leaves_and_of_equals_the_oldest():
    population = [trial(0, 0.3), trial(1, 0.1), trial(2, 0.1), trial(3, 0.2)]
    assert after(population, discard="worst") == [0, 2, 3]
    assert after(population[:3], discard="worst") == [0, 1, 2]


def test_oldest_leaves_however_fit():
    population = [trial(0, 0.9), trial(1, 0.1), trial(2, 0.2), trial(3, 0.0)]
    assert after(population, discard="oldest") == [1, 2, 3]


def test_a_full_tournament_is_won_by_the_best():
    assert select([0.2, 0.9, 0.1], 3, np.random.default_rng(0)) == 1


def test_a_tournament_of_one_is_a_uniform_draw():
    rng = np.random.default_rng(0)
    drawn = [select([0.0, 0.1, 0.2, 0.3], 1, rng) for _ in range(400)]
    assert all(60 < drawn.count(i) < 140 for i in range(4))


def test_evolution_starts_at_random_then_mutates_parents():
    evolution = TournamentEvolution(population=3, tournament=3, mutations=2, mutation_decay=1)
    rng = np.random.default_rng(0)
    for i in range(3):
        assert evolution.propose(ToySpace(), rng).parent is None
        evolution.observe(trial(i, fitness=i / 10))
    first = evolution.propose(ToySpace(), rng)
    assert first.parent == 2
    assert len(first.mutations) == 2
    evolution.observe(trial(3, fitness=0.05, parent=2))
    assert len(evolution.propose(ToySpace(), rng).mutations) == 1
    assert numbers(evolution.population) == [1, 2, 3]


class Watching(ToySpace):
    def mutate(self, parent, rng, evaluation=None, strength=1):
        self.seen = evaluation
        return super().mutate(parent, rng, evaluation, strength)


@pytest.mark.parametrize("guided", [True, False])
def test_mutations_see_the_evaluation_of_the_parent_if_guided(guided):
    evolution = TournamentEvolution(population=2, tournament=2, guided=guided)
    parents = [trial(0, fitness=0.1), trial(1, fitness=0.2)]
    for one in parents:
        evolution.observe(one)
    space, unwatched = Watching(), ToySpace()
    child = evolution.propose(space, np.random.default_rng(0))
    assert child.parent == 1
    assert space.seen == (parents[1].evaluation if guided else None)
    assert child == evolution.propose(unwatched, np.random.default_rng(0))


def test_only_ok_trials_become_parents_and_rejected_children_do_not_age_the_schedule():
    evolution = TournamentEvolution(population=2, tournament=2)
    evolution.observe(trial(0, status="failed"))
    evolution.observe(trial(1, status="rejected", parent=0))
    assert evolution.population == []
    assert evolution.children == 0
    evolution.observe(trial(2, status="failed", parent=0))
    assert evolution.children == 1


@pytest.mark.parametrize(
    "strategy", [RandomSearch, TournamentEvolution, LocalSearch, ParetoEvolution]
)
def test_replay_and_seed_decide_the_proposal(strategy):
    def propose(seed):
        fresh = strategy()
        for i in range(30):
            fresh.observe(trial(i, fitness=i % 7 / 10))
        return fresh.propose(ToySpace(), np.random.default_rng(seed))

    assert propose(1) == propose(1)
    assert propose(1) != propose(2)


@pytest.mark.parametrize(
    "settings",
    [
        {"tournament": 0},
        {"population": 4, "tournament": 5},
        {"mutations": 0},
        {"mutation_decay": 0},
    ],
)
def test_impossible_settings_are_refused(settings):
    with pytest.raises(UserError):
        TournamentEvolution(**settings)


def test_description_holds_every_setting():
    given = {
        "population": 7,
        "tournament": 3,
        "discard": "oldest",
        "mutations": 2,
        "mutation_decay": 5.0,
        "guided": False,
    }
    assert TournamentEvolution(**given).describe() == {"name": "evolution", **given}
