"""Who has earned a rung: the best third who reached the one below, of all or in a group."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from search_toys import Toy

from vidnas.core import Cost, Evaluation
from vidnas.evolution.ladder import ETA, Ladder
from vidnas.evolution.limits import Limits
from vidnas.evolution.niches import NICHES, Niches
from vidnas.evolution.schedule import Schedule, SearchTime
from vidnas.evolution.trial import FLOOR, Proposal, Trial

LIMITS = Limits(macs=1600)
RUNGS = 3


def ok(fitness: float, macs: int = 1600) -> Evaluation:
    cost = Cost(parameters=1, macs=macs, activation_bytes=1)
    return Evaluation(status="ok", fitness=fitness, cost=cost)


class Centring(Toy):
    """A network that normalises each clip by itself."""

    @property
    def centres_clips(self) -> bool:
        return True


def born(
    number: int,
    fitness: float,
    macs: int = 1600,
    toy: type[Toy] = Toy,
    parent: int | None = None,
    inherited: float = 0.9,
) -> Trial:
    """A newborn; a child begins with what its parent has learned."""
    proposal, found = Proposal(toy(widths=(number + 1,)), parent), ok(fitness, macs)
    if parent is not None:
        found = found.model_copy(update={"metrics": {"inherited": inherited}})
    return Trial(number, proposal, found, 0.0)


def groups_of(trial: Trial) -> list[object]:
    """All, its niche, and those that normalise clips as it does."""
    return ["all", Niches(LIMITS).niche_of(trial), type(trial.architecture)]


def up(trial: Trial, fitness: float) -> Trial:
    return trial.climbed(ok(fitness), 0.0)


def ladder_of(events: Sequence[Trial], rungs: int = RUNGS) -> Ladder:
    ladder = Ladder(rungs, Niches(LIMITS))
    for trial in events:
        ladder.observe(trial)
    return ladder


def numbers(trials: Sequence[Trial]) -> list[int]:
    return [trial.number for trial in trials]


def test_one_of_three_climbs_and_of_equals_the_oldest():
    trials = [born(n, fitness) for n, fitness in enumerate([0.1, 0.5, 0.5, 0.2, 0.3, 0.4])]
    assert numbers(ladder_of(trials[:2]).earned(set())) == []
    assert numbers(ladder_of(trials[:3]).earned(set())) == [1]
    assert numbers(ladder_of(trials[:3]).earned({1})) == []
    assert numbers(ladder_of(trials).earned({1})) == [2]
    assert numbers(ladder_of(trials).earned({1, 2})) == []


def test_who_has_climbed_keeps_a_place_below_and_the_highest_rung_goes_first():
    trials = [born(n, 0.1 * n) for n in range(9)]
    higher = [up(trials[n], 0.5) for n in (8, 7, 6)]
    ladder = ladder_of([*trials, *higher[:1]])
    assert numbers(ladder.earned(set())) == [7]
    ladder = ladder_of([*trials, *higher])
    assert numbers(ladder.earned(set())) == [6]  # of equals the oldest; 8 is no rival of 5
    ladder.observe(up(higher[2], 0.1))
    assert numbers(ladder.earned(set())) == []  # the top of the ladder is the end


@pytest.mark.parametrize("status", ["failed", "rejected"])
def test_who_fails_on_the_way_is_gone(status):
    trials = [born(n, 0.1 * n) for n in range(3)]
    ladder = ladder_of(trials)
    ladder.observe(trials[2].climbed(Evaluation(status=status), 0.0))
    assert numbers(ladder.earned(set())) == []
    assert numbers(ladder.leaders(set())) == [1]


def test_without_time_for_newborns_each_niche_sends_its_best_then_the_others_follow():
    large = [born(n, 0.9 - 0.1 * n) for n in range(3)]
    small = [born(n, 0.3 - 0.01 * n, macs=500) for n in range(3, 6)]
    ladder = ladder_of([*large, *small])
    assert numbers(ladder.leaders(set())) == [0, 3]
    assert numbers(ladder.leaders({0})) == [3, 1]
    ladder = ladder_of([*large, *small, up(large[0], 0.9), up(up(large[0], 0.9), 0.9)])
    assert numbers(ladder.leaders(set())) == [3, 1]


def test_niches_halve_the_limit():
    niches = Niches(LIMITS)
    macs = [1600, 801, 800, 401, 400, 200, 101, 100, 1]
    found = [niches.niche_of(born(0, 0.5, macs=one)) for one in macs]
    assert found == [0, 0, 1, 1, 2, 3, 3, 4, 4]
    for one, niche in zip(macs, found, strict=True):
        low, high = niches.bounds(niche)
        assert low < one / 1600 <= high
    assert niches.bounds(NICHES - 1)[0] == 0
    assert Niches().niche_of(born(0, 0.5)) == 0
    unmeasured = Trial(0, Proposal(Toy(widths=(1,))), Evaluation(status="failed"), 0.0)
    assert niches.niche_of(unmeasured) == 0


def test_a_candidate_stays_in_the_niche_where_it_was_born():
    trial = born(0, 0.5, macs=800).climbed(ok(0.6, macs=801), 0.0)
    assert Niches(LIMITS).niche_of(trial) == 1


# What happens to a search: a candidate is born with a fitness, a cost and a way to normalise, of
# a parent or of none, or one that may climb does, to a fitness or to its end.
STEPS = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.integers(0, 9),
        st.sampled_from([1600, 700, 300]),
        st.sampled_from([Toy, Centring]),
        st.booleans(),
        st.booleans(),
    ),
    max_size=60,
)


def events_of(steps) -> list[Trial]:
    trials: list[Trial] = []
    events = []
    for fitness, which, macs, toy, climbs, inherits in steps:
        waiting = [trial for trial in trials if trial.may_climb(RUNGS)]
        if climbs and waiting:
            trial = waiting[which % len(waiting)]
            found = ok(float(fitness)) if which else Evaluation(status="failed")
            trials[trial.number] = trial.climbed(found, 0.0)
            events.append(trials[trial.number])
        else:
            parent = which % len(trials) if inherits and trials else None
            trials.append(born(len(trials), float(fitness), macs, toy, parent))
            events.append(trials[-1])
    return events


def held_in(events: Sequence[Trial]) -> set[tuple[int, int]]:
    """The heirs that are less fit between the first rung and the top than their parents were when
    they were born, by number and rung."""
    fitness: dict[int, float] = {}
    hurdles: dict[int, float] = {}
    for trial in events:
        if not trial.earlier and trial.proposal.parent is not None:
            hurdles[trial.number] = fitness[trial.proposal.parent]
        if trial.evaluation.status == "ok":
            fitness[trial.number] = trial.fitness
    return {
        (trial.number, trial.rung)
        for trial in events
        if 0 < trial.rung < RUNGS - 1 and trial.fitness < hurdles.get(trial.number, -math.inf)
    }


@given(STEPS)
def test_earned_is_what_the_rule_says(steps):
    events = events_of(steps)
    latest = {trial.number: trial for trial in events}
    held = held_in(events)
    reached = defaultdict(list)
    for trial in events:
        if trial.evaluation.status == "ok":
            first = math.inf if (trial.number, trial.rung) in held else -trial.fitness
            for group in groups_of(trial):
                reached[group, trial.rung].append((first, trial.number))
    best = {key: sorted(places)[: len(places) // ETA] for key, places in reached.items()}
    heads = set()
    for (_, rung), places in [*reached.items()]:
        waiting = [
            place for place in places if latest[place[1]].rung == rung
            and latest[place[1]].may_climb(RUNGS) and (place[1], rung) not in held
        ]  # fmt: skip
        first = min(waiting, default=None)
        if first is None:
            continue
        one = latest[first[1]]
        mine = type(one.architecture)
        (other,) = {Toy, Centring} - {mine}
        keeps_up = (
            not reached[mine, rung + 1]
            and reached[other, rung + 1]
            and one.fitness >= -min(reached[other, rung])[0] / 2
            and first
            == min(
                place
                for place in reached[mine, rung]
                if latest[place[1]].rung == rung and (place[1], rung) not in held
            )
        )
        if keeps_up or any(first in best[group, rung] for group in groups_of(one)):
            heads.add((-rung, *first))
    assert numbers(ladder_of(events).earned(set())) == [number for *_, number in sorted(heads)]


@given(STEPS)
def test_nobody_loses_a_place_to_another_niche(steps):
    steps = [(*step[:3], Toy, step[4], False) for step in steps]
    events, niches = events_of(steps), Niches(LIMITS)
    whole = ladder_of(events)
    for niche in range(NICHES):
        alone = ladder_of([one for one in events if niches.niche_of(one) == niche])
        of_whole = [one for one in whole.earned(set()) if niches.niche_of(one) == niche]
        assert {*numbers(of_whole)} >= {*numbers(alone.earned(set()))}


def test_the_best_of_all_climbs_though_alone_in_its_niche():
    best = up(born(0, 0.5, macs=500), 0.9)
    others = [up(born(n, 0.4), 0.5) for n in (1, 2)]
    assert numbers(ladder_of([best, *others]).earned(set())) == [0]
    assert numbers(ladder_of([best, *others]).leaders(set()))[0] == 0


def test_small_ones_that_learn_soonest_leave_the_large_their_places():
    small = [born(n, 0.9, macs=100) for n in range(9)]
    large = [born(n, 0.1 + 0.01 * n) for n in range(9, 12)]
    assert 11 in numbers(ladder_of([*small, *large]).earned(set()))


def test_who_learns_soonest_by_centring_clips_leaves_the_others_their_places():
    """Railway tanks: centred, all three designs learn sooner, and end lower."""
    soon = [born(n, 0.4, toy=Centring) for n in range(9)]
    late = [born(n, 0.2 + 0.01 * n) for n in range(9, 12)]
    ladder = ladder_of([*soon, *late])
    assert 11 in numbers(ladder.earned(set()))
    ladder = ladder_of([*soon, *late, up(soon[0], 0.42), up(up(soon[0], 0.42), 0.47)])
    assert numbers(ladder.leaders(set()))[0] == 11


def test_the_best_of_each_way_to_normalise_climbs_as_high_as_that_of_the_other():
    """What learns sooner is fitter at first; which one ends higher is known at the top."""
    soon, late = born(0, 0.4, toy=Centring), [born(1, 0.25), born(2, 0.26)]
    ladder = ladder_of([soon, *late])
    assert numbers(ladder.earned(set())) == [0]
    ladder = ladder_of([soon, *late, up(soon, 0.45)])
    assert numbers(ladder.earned(set())) == [2]
    assert numbers(ladder.earned({2})) == []
    ladder.observe(higher := up(late[1], 0.42))
    assert numbers(ladder.earned(set())) == []
    ladder.observe(up(up(soon, 0.45), 0.5))
    assert numbers(ladder.earned(set())) == [2]
    ladder.observe(up(higher, 0.6))
    assert numbers(ladder.earned(set())) == []


def test_a_way_to_normalise_that_does_not_learn_is_given_up():
    soon, late = born(0, 0.6, toy=Centring), [born(1, 0.1), born(2, 0.29)]
    ladder = ladder_of([soon, *late, up(soon, 0.7)])
    assert numbers(ladder.earned(set())) == []


def unlearned(trial: Trial, floor: float = 0.2) -> Trial:
    """A candidate that is not told from others below this fitness."""
    found = trial.evaluation.model_copy(update={"metrics": {FLOOR: floor}})
    return Trial(trial.number, trial.proposal, found, 0.0)


def test_those_that_have_hardly_learned_climb_in_the_order_of_their_birth():
    trials = [unlearned(born(n, fitness)) for n, fitness in enumerate([0.05, 0.1, 0.19])]
    assert numbers(ladder_of(trials).earned(set())) == [0]
    learned = unlearned(born(3, 0.3))
    assert numbers(ladder_of([*trials, learned]).earned(set())) == [3]
    more = [unlearned(born(n, 0.15)) for n in (4, 5)]
    assert numbers(ladder_of([*trials, learned, *more]).earned({3})) == [0]
    ladder = ladder_of([*trials, learned])
    ladder.observe(up(trials[0], 0.4))
    assert numbers(ladder.leaders({3})) == [0, 1]


def scheduled(*trials: Trial, budget_s: float | None = 100.0, **settings) -> Schedule:
    time = SearchTime(budget_s, lambda rung: 10.0 * 3**rung)
    schedule = Schedule(RUNGS, Niches(LIMITS), settings.get("evaluations"), time)
    for trial in trials:
        schedule.start(trial.number if trial.earlier else None)
        schedule.observe(trial)
    return schedule


def test_what_cannot_end_in_time_is_not_started():
    trials = [born(n, 0.1 * n) for n in range(3)]
    schedule = scheduled(*trials)
    assert schedule.climber(70.0) == trials[2]
    assert schedule.climber(70.1) is None
    assert not schedule.is_late(60.0)  # 10 s to be born, 30 s for the next rung
    assert schedule.is_late(60.1)
    assert schedule.leader(70.1) is None
    assert scheduled(*trials[:2]).leader(60.1) == trials[1]  # has not earned it
    assert scheduled(*trials[:2]).leader(60.1, until_s=90.1) == trials[1]
    assert scheduled(*trials[:2]).leader(60.1, until_s=90.0) is None


def test_the_best_that_can_still_climb_does_where_the_best_cannot():
    trials = [born(n, 0.1 * n) for n in range(3)]
    schedule = scheduled(*trials, up(trials[2], 0.5))
    assert schedule.leader(10.0) == up(trials[2], 0.5)
    assert schedule.leader(10.1) == trials[1]


def test_only_time_sends_those_who_have_not_earned_it():
    schedule = scheduled(born(0, 0.5), budget_s=None, evaluations=2)
    assert not schedule.is_late(math.inf)
    assert schedule.leader(0.0) is None


def test_newborns_in_flight_count_until_they_turn_out_to_be_rejected():
    schedule = scheduled(born(0, 0.5), evaluations=2)
    assert not schedule.is_complete()
    schedule.start(None)
    assert schedule.is_complete()
    rejected = Trial(1, Proposal(Toy(widths=(2,))), Evaluation(status="rejected"), 0.0)
    schedule.observe(rejected)
    assert not schedule.is_complete()


@pytest.mark.parametrize(
    ("took_s", "trained_s", "has_room"),
    [
        (10.0, 9.0, False),  # all that the rung below may take: the next one would take 30 s
        (6.0, 5.0, True),  # 6 of 10 s and a fifth more, of 30 s
        (1.0, 10.0, False),  # it was killed, and resumed near its end
        (0.0, 0.0, False),  # nobody knows
    ],
)
def test_a_rung_is_expected_to_take_a_candidate_what_the_last_one_did(took_s, trained_s, has_room):
    time = SearchTime(100.0, lambda rung: 10.0 * 3**rung)
    found = {"seconds": took_s, "metrics": {"training_s": trained_s}}
    evaluation = ok(0.5).model_copy(update=found)
    one = Trial(0, Proposal(Toy(widths=(1,))), evaluation, 0.0)
    assert time.has_room_to_climb(75.0, one) is has_room
    assert not time.has_room_to_climb(100.0, one)


def test_a_child_that_does_not_reach_what_its_parent_had_is_held() -> None:
    parent = born(0, 0.3)
    ladder = ladder_of([parent, born(1, 0.1), born(2, 0.1), up(parent, 0.6)], rungs=4)
    child = born(3, 0.5, parent=0)
    ladder.observe(child)
    assert numbers(ladder.earned(set())) == [3]  # on the lowest rung it has had no time
    ladder.observe(up(child, 0.55))
    assert numbers(ladder.leaders({0}))[0] == 3  # rather than that a worker idles


def test_who_is_held_takes_no_place_from_others() -> None:
    first = [born(n, 0.5) for n in range(4)]
    above = [up(one, fitness) for one, fitness in zip(first, (0.9, 0.7, 0.2, 0.1), strict=True)]
    heirs = [born(n, 0.6, parent=0) for n in (4, 5)]
    behind, ahead = (up(one, fitness) for one, fitness in zip(heirs, (0.8, 0.95), strict=True))
    ladder = ladder_of([*first, *above, *heirs, behind, ahead], rungs=4)
    assert numbers(ladder.earned(set())) == [5]
    assert numbers(ladder.earned({5})) == [0]  # of six two climb
    for n in (6, 7, 8):
        one = born(n, 0.5)
        ladder.observe(one)
        ladder.observe(up(one, 0.1))
    assert numbers(ladder.earned({5, 0})) == [1]  # of nine three, and 4 has more than 1


def test_one_who_is_held_leaves_it_to_others_to_keep_up() -> None:
    parent = born(0, 0.3, toy=Centring)
    high = [up(parent, 0.6), up(up(parent, 0.6), 0.7)]
    held, other = born(1, 0.5, parent=0), born(2, 0.4)
    ladder = ladder_of([parent, *high, held, up(held, 0.55), other, up(other, 0.45)])
    assert numbers(ladder.earned(set())) == [2]


@pytest.mark.parametrize("share", [0.0, 0.4])
def test_who_inherited_little_is_not_held_to_a_parent(share: float) -> None:
    first = [born(n, 0.5) for n in range(3)]
    above = [up(one, fitness) for one, fitness in zip(first, (0.9, 0.2, 0.1), strict=True)]
    child = born(3, 0.6, parent=0, inherited=share)
    ladder = ladder_of([*first, *above, child, up(child, 0.8)], rungs=4)
    ladder.observe(up(above[0], 0.95))
    others = [born(n, 0.5) for n in (4, 5)]
    for one in (*others, *(up(one, 0.1) for one in others)):
        ladder.observe(one)
    assert 3 in numbers(ladder.earned(set()))
