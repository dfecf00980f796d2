import json

import numpy as np
import pytest
from search_toys import Toy, ToySpace

from vidnas.core import Cost, Evaluation, UserError
from vidnas.evolution.limits import Limits
from vidnas.evolution.niches import Niches
from vidnas.evolution.strategies import (
    STRATEGIES,
    Strategy,
    TournamentEvolution,
    make_strategy,
    read_strategy,
)
from vidnas.evolution.strategies.evolution import mutations_per_child, select
from vidnas.evolution.trial import Proposal, Trial
from vidnas.testing import StrategyContract


class TestEveryStrategy(StrategyContract):
    @pytest.fixture(params=STRATEGIES)
    def strategy(self, request) -> Strategy:
        return STRATEGIES[request.param]()


@pytest.mark.parametrize("name", STRATEGIES)
def test_strategies_are_made_and_read_back_by_name(name):
    strategy = make_strategy(name, {})
    assert (type(strategy), strategy.name) == (STRATEGIES[name], name)
    assert read_strategy(json.loads(json.dumps(strategy.describe()))) == strategy
    with pytest.raises(UserError, match=f"{name} has no setting 'beauty'"):
        make_strategy(name, {"beauty": 1})


@pytest.mark.parametrize("described", [{}, {"name": "clairvoyance"}])
def test_unknown_strategies_are_rejected(described):
    with pytest.raises(UserError, match="choose one of evolution, random, local, pareto, top-k"):
        read_strategy(described)


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
    return numbers(evolution.members)


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
    assert numbers(evolution.members) == [1, 2, 3]


def test_a_member_that_climbs_competes_with_what_it_has_become_and_keeps_its_place():
    population = [trial(0, 0.1), trial(1, 0.9), trial(2, 0.5)]
    higher = population[0].climbed(Evaluation(status="ok", fitness=0.95), 0.0)
    evolution = TournamentEvolution(population=3, tournament=3)
    for one in [*population, higher]:
        evolution.observe(one)
    assert evolution.members == [higher, *population[1:]]
    assert evolution.propose(ToySpace(), np.random.default_rng(0)).parent == 0
    assert after([*population, higher, trial(3, 0.6)]) == [0, 1, 3]
    failed = population[1].climbed(Evaluation(status="failed"), 0.0)
    assert after([*population, higher, failed]) == [0, 2]


def test_who_left_comes_back_by_climbing_and_children_count_once():
    child = trial(3, 0.05, parent=0)
    population = [trial(0, 0.1), trial(1, 0.9), trial(2, 0.5), child]
    higher = child.climbed(Evaluation(status="ok", fitness=0.3), 0.0)
    assert after(population) == [0, 1, 2]
    assert after([*population, higher]) == [1, 2, 3]
    evolution = TournamentEvolution(population=3, tournament=3)
    for one in [*population, higher]:
        evolution.observe(one)
    assert evolution.children == 1


def in_niche(number, fitness, macs) -> Trial:
    cost = Cost(parameters=1, macs=macs, activation_bytes=1)
    evaluation = Evaluation(status="ok", fitness=fitness, cost=cost)
    return Trial(number, Proposal(Toy(widths=(number + 1,) * 4)), evaluation, 0.0)


def test_every_niche_has_its_own_tournament_and_the_largest_loses_a_member():
    large = [in_niche(n, 0.1 * n, macs=90) for n in range(3)]
    small = [in_niche(n, 0.9 + 0.01 * n, macs=10) for n in range(3, 6)]
    evolution = TournamentEvolution(population=5, tournament=5)
    evolution.niches = Niches(Limits(macs=100))
    for one in [*large, *small]:
        evolution.observe(one)
    assert numbers(evolution.members) == [1, 2, 3, 4, 5]  # both had three: 0 was the worst
    evolution.observe(in_niche(6, 0.0, macs=90))
    assert numbers(evolution.members) == [1, 2, 3, 4, 5]
    evolution.observe(in_niche(7, 0.5, macs=90))
    assert numbers(evolution.members) == [2, 3, 4, 5, 7]
    proposals = [evolution.propose(ToySpace(), np.random.default_rng(i)) for i in range(40)]
    parents = [one.parent for one in proposals]
    assert {*parents} == {7, 5}
    assert 2 < parents.count(7) < 18  # the niche of the less fit is taken where it is drawn twice


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
    assert evolution.members == []
    assert evolution.children == 0
    evolution.observe(trial(2, status="failed", parent=0))
    assert evolution.children == 1


@pytest.mark.parametrize(
    "settings",
    [
        {"tournament": 0},
        {"population": 4, "tournament": 5},
        {"mutations": 0},
        {"mutation_decay": 0},
    ],
)
def test_impossible_settings_are_rejected(settings):
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
