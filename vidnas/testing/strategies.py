"""What a strategy promises."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any, ClassVar

import numpy as np
import pytest

from vidnas.core import Evaluation, Status
from vidnas.evolution.strategies import Strategy
from vidnas.evolution.trial import Proposal, Trial
from vidnas.families import Architecture, Space

_TRIALS = 60
_RUNGS = 3


class StrategyContract:
    """The promises of every strategy; a sub-class gives the fixture `strategy`, a fresh one.

    The space is one of digits unless a sub-class gives another with the fixture `space`.
    """

    @pytest.fixture
    def space(self) -> Space:
        return _Digits()

    def test_the_description_is_json_and_makes_the_same_strategy(self, strategy: Strategy) -> None:
        described = strategy.describe()
        assert json.loads(json.dumps(described)) == described
        assert described["name"] == strategy.name
        settings = {key: value for key, value in described.items() if key != "name"}
        assert type(strategy)(**settings).describe() == described

    def test_learning_leaves_the_settings_as_they_are(
        self, strategy: Strategy, space: Space
    ) -> None:
        described = strategy.describe()
        for _ in _search(strategy, space):
            assert strategy.describe() == described

    def test_proposals_are_of_the_space_and_name_a_parent_that_was_ok(
        self, strategy: Strategy, space: Space
    ) -> None:
        statuses: dict[int, str] = {}
        for trial in _search(strategy, space):
            proposal = trial.proposal
            assert space.contains(proposal.architecture)
            assert (proposal.parent is None) == (not proposal.mutations)
            is_born = not trial.earlier
            assert proposal.parent is None or not is_born or statuses[proposal.parent] == "ok"
            statuses[trial.number] = trial.evaluation.status

    def test_trials_and_generator_decide_the_proposal(
        self, strategy: Strategy, space: Space
    ) -> None:
        def proposals(learned: Strategy) -> list[Proposal]:
            # A copy for each: a proposal may not depend on those before it.
            return [
                deepcopy(learned).propose(space, np.random.default_rng(seed)) for seed in range(10)
            ]

        replayed = deepcopy(strategy)
        trials = list(_search(strategy, space))
        for trial in trials:
            replayed.observe(trial)
        assert proposals(replayed) == proposals(strategy)
        assert len({one.architecture.digest for one in proposals(strategy)}) > 1

    @pytest.mark.parametrize("status", ["rejected", "failed"])
    def test_a_search_without_success_still_has_proposals(
        self, strategy: Strategy, space: Space, status: Status
    ) -> None:
        for trial in _search(strategy, space, [status]):
            assert trial.proposal.parent is None


def _search(
    strategy: Strategy,
    space: Space,
    outcomes: Sequence[Status] = ("ok", "ok", "rejected", "ok", "failed"),
) -> Iterator[Trial]:
    """Evaluate what a strategy proposes, with these outcomes in turn; now and then the best climbs
    a rung, with the same outcomes."""
    trials: list[Trial] = []
    for number in range(_TRIALS):
        proposal = strategy.propose(space, np.random.default_rng(number))
        evaluation = _evaluated(proposal, outcomes[number % len(outcomes)])
        trials.append(Trial(number, proposal, evaluation, elapsed_s=float(number)))
        strategy.observe(trials[-1])
        yield trials[-1]
        best = max(trials, key=lambda trial: (trial.may_climb(_RUNGS), trial.fitness))
        if number % 4 == 0 and best.may_climb(_RUNGS):
            again = _evaluated(best.proposal, outcomes[number // 4 % len(outcomes)])
            trials[best.number] = best.climbed(again, elapsed_s=float(number))
            strategy.observe(trials[best.number])
            yield trials[best.number]


def _evaluated(proposal: Proposal, status: Status) -> Evaluation:
    fitness = int(proposal.architecture.digest, 16) / 16**16 if status == "ok" else None
    return Evaluation(status=status, fitness=fitness)


class _Number(Architecture):
    family: ClassVar[str] = "digits"

    digits: tuple[int, ...]


class _Digits(Space):
    """Numbers of six digits; a mutation changes one."""

    def random(self, rng: np.random.Generator) -> _Number:
        return _Number(digits=tuple(rng.integers(10, size=6).tolist()))

    def mutate(
        self,
        parent: Architecture,
        rng: np.random.Generator,
        evaluation: Evaluation | None = None,
        strength: int = 1,
    ) -> tuple[_Number, tuple[str, ...]]:
        assert isinstance(parent, _Number)
        digits, phrases = list(parent.digits), []
        for place in rng.choice(6, size=strength, replace=False).tolist():
            new = (digits[place] + int(rng.integers(1, 10))) % 10
            phrases.append(f"digit {place}: {digits[place]} -> {new}")
            digits[place] = new
        return _Number(digits=tuple(digits)), tuple(phrases)

    def contains(self, architecture: Architecture) -> bool:
        return isinstance(architecture, _Number) and len(architecture.digits) == 6

    def describe(self) -> dict[str, Any]:
        return {"digits": 6}
