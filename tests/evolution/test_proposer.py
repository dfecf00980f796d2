"""Which candidates are born: how the designs see their clips."""

from __future__ import annotations

import pytest
from search_toys import Following, Toy

from vidnas.core import Evaluation
from vidnas.evolution import RandomSearch, Trial
from vidnas.evolution.proposer import Proposer
from vidnas.evolution.trial import Proposal


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
