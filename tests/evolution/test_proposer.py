"""Which candidates are born: how the designs see their clips."""

from __future__ import annotations

import copy

import pytest
from search_toys import Following, Toy, ToySpace

from vidnas.core import Cost, Evaluation
from vidnas.evolution import RandomSearch, Strategy, TournamentEvolution, Trial
from vidnas.evolution.proposer import Proposer
from vidnas.evolution.trial import Proposal
from vidnas.families import Architecture


@pytest.mark.parametrize(
    ("rungs", "last"),
    [
        (((0.1,), (0.2,), (0.3,), (0.4,)), 9),
        (((0.2,), (0.1,), (0.4,), (0.3,)), 1),
        (((0.1,), (0.2,), (0.4,), (0.3,)), 4),  # the pairs disagree: as it was drawn
        (((0.2, 0.3), (0.1, 0.4), (0.4,), ()), 9),  # compared on the highest common rung
        (((0.1,), (0.2, 0.9), (0.4,), (0.3, 0.9)), 4),  # one that climbed alone has no merit
        (((), (0.2,), (0.4,), ()), 4),  # neither pair was trained
    ],
)
def test_pairs_decide_how_later_designs_see_their_clips(
    rungs: tuple[tuple[float, ...], ...], last: int
) -> None:
    space = Following()
    proposer = Proposer(space, RandomSearch(), space.designs(), seed=0)
    for number, (design, reached) in enumerate(zip(space.designs(), rungs, strict=False)):
        proposal = Proposal(design, design=True)
        proposer.note(proposal)
        failed = Evaluation(status="failed", reason="none")
        evaluations = [Evaluation(status="ok", fitness=one) for one in reached] or [failed]
        trial = Trial(number, proposal, evaluations[0], elapsed_s=1.0)
        for one in evaluations[1:]:
            trial = trial.climbed(one, 2.0)
        proposer.teach(trial)
    proposed = proposer.propose(before=4)
    assert proposed and proposed.architecture == Toy(widths=(4, 4, 4, last))


class Shrinking(ToySpace):
    """A space whose designs get smaller down to a width of one."""

    def designs(self) -> tuple[Toy, ...]:
        return (Toy(widths=(8,)), Toy(widths=(4,)), Toy(widths=(6,)))

    def smaller(self, design: Architecture) -> Toy | None:
        assert isinstance(design, Toy)
        width = design.widths[0] // 2
        return Toy(widths=(width,)) if width else None


def test_a_design_that_breaks_a_limit_comes_again_smaller() -> None:
    space = Shrinking()
    proposer = Proposer(space, RandomSearch(), space.designs(), seed=0)
    cost = Cost(parameters=1, macs=1, activation_bytes=1)
    widths = []
    for number in range(5):
        proposal = proposer.propose(before=number)
        assert proposal is not None and isinstance(proposal.architecture, Toy)
        proposer.note(proposal)
        (width,) = proposal.architecture.widths
        assert proposal.design
        widths.append(width)
        found = Evaluation(status="ok", fitness=0.5, cost=cost)
        if width > 2:
            found = Evaluation(status="rejected", reason="too wide", cost=cost)
        proposer.teach(Trial(number, proposal, found, elapsed_s=1.0))
    # 4 is a design already; of 4 and of 6 come 2 and 3, before what was drawn; and of 3 comes 1.
    assert widths == [8, 4, 2, 6, 3]
    assert proposer.propose(before=5) == Proposal(Toy(widths=(1,)), design=True)


class Many(ToySpace):
    """A space of twelve designs."""

    def designs(self) -> tuple[Toy, ...]:
        return tuple(Toy(widths=(1, 1, 1, width)) for width in range(1, 13))


def test_designs_that_were_left_out_come_next() -> None:
    """A fork leaves those out that keep its looser limits, and they were smaller by then."""
    space = Many()
    proposer = Proposer(space, RandomSearch(), space.designs(), seed=0)
    left = [space.designs()[index] for index in (2, 5, 6)]
    smaller = Toy(widths=(1, 1, 1, 99))
    for design in {*space.designs(), smaller} - {*left}:
        proposer.note(Proposal(design, design=True))
    for number, design in enumerate(left):
        proposed = proposer.propose(before=number)
        assert proposed == Proposal(design, design=True)
        proposer.note(proposed)
    proposed = proposer.propose(before=3)
    assert proposed and not proposed.design


def born(strategy: Strategy, count: int, *, resumed: bool = False) -> str:
    """Return what is born in a search: d for a design, c for a child, r for one drawn at random.

    The second design is rejected.
    """
    space = Many()
    trials: list[Trial] = []

    def fresh() -> Proposer:
        proposer = Proposer(space, copy.deepcopy(strategy), space.designs(), seed=0)
        for trial in trials:
            proposer.note(trial.proposal)
        for trial in trials:
            proposer.teach(trial)
        return proposer

    proposer = fresh()
    for number in range(count):
        if resumed:
            proposer = fresh()
        proposal = proposer.propose(before=number)
        assert proposal is not None
        proposer.note(proposal)
        found = Evaluation(status="ok", fitness=0.5)
        if number == 1:
            cost = Cost(parameters=1, macs=1, activation_bytes=1)
            found = Evaluation(status="rejected", reason="too wide", cost=cost)
        trials.append(Trial(number, proposal, found, elapsed_s=1.0))
        proposer.teach(trials[-1])
    origins = [(one.proposal.design, one.proposal.parent is not None) for one in trials]
    return "".join("d" if design else "c" if child else "r" for design, child in origins)


@pytest.mark.parametrize("resumed", [False, True])
def test_after_the_first_designs_children_take_turns_with_the_others(resumed: bool) -> None:
    # Eight that kept the limits and one that did not, then one more before each child.
    said = born(TournamentEvolution(4, 2), 20, resumed=resumed)
    assert said == "d" * 10 + "cdcdc" + "c" * 5


def test_what_is_drawn_at_random_takes_no_turns() -> None:
    assert born(RandomSearch(), 14) == "d" * 12 + "rr"
    assert born(TournamentEvolution(20, 2), 14) == "d" * 12 + "rr"  # nobody has children yet
