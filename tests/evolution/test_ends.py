"""What workers do when too little time is left for a newborn to climb, in simulated time."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from search_toys import ToySpace, toy_config
from simulated_time import FIRST_RUNG_S, RUNGS, Run, SimulatedWorkers, TimedLadder

from vidnas.evolution import Event, Limits, RandomSearch, Study, engine, run_search
from vidnas.evolution.ladder import Ladder
from vidnas.evolution.niches import Niches

LIMITS = Limits(parameters=2000)
BUDGET_S = 300.0
LATE_S = BUDGET_S - 4 * FIRST_RUNG_S
"""From when on a newborn cannot climb a second rung."""


class Witness:
    """Knows who has earned a rung by what was announced, and notes who climbs without."""

    def __init__(self) -> None:
        self.ladder = Ladder(RUNGS, Niches(LIMITS))
        self.numbers: dict[str, int] = {}
        """By digest."""
        self.unearned: list[tuple[Run, Collection[Run]]] = []
        """Climbs, each with what ran beside it."""
        self.late_births: list[tuple[Run, Collection[Run]]] = []
        self.early_births = 0

    def hear(self, event: Event) -> None:
        if event.trial is not None:
            self.numbers[event.trial.architecture.digest] = event.trial.number
            self.ladder.observe(event.trial)

    def see(self, run: Run, others: Collection[Run]) -> None:
        if run.rung == 0:
            if run.end_s - FIRST_RUNG_S > LATE_S:
                self.late_births.append((run, others))
            else:
                self.early_births += 1
            return
        busy = {self.numbers[one.architecture.digest] for one in others if one.rung > 0}
        earned = [one.architecture.digest for one in self.ladder.earned(busy)]
        if run.architecture.digest not in earned:
            self.unearned.append((run, others))


@dataclass(frozen=True)
class Searched:
    """A search, by who saw it, and when it ended."""

    witness: Witness
    ended_s: float


@pytest.fixture(scope="module")
def searches(tmp_path_factory: pytest.TempPathFactory) -> list[Searched]:
    """Searches of three workers with several seeds."""
    return [search(tmp_path_factory.mktemp("study"), seed) for seed in range(8)]


def search(folder: Path, seed: int) -> Searched:
    witness = Witness()
    workers = SimulatedWorkers(3, witness.see)
    strategy = RandomSearch()
    config = toy_config(LIMITS, strategy, rungs=RUNGS, seed=seed)
    with (
        pytest.MonkeyPatch.context() as patch,
        Study.create_or_resume(folder, config) as study,
    ):
        patch.setattr(engine, "time", workers)
        patch.setattr(engine, "wait", workers.wait)
        run_search(
            study,
            ToySpace(),
            TimedLadder(),
            strategy,
            workers,
            budget_s=BUDGET_S,
            on_event=witness.hear,
        )
    return Searched(witness, workers.now_s)


@pytest.mark.parametrize("kind", ["unearned", "late_births"])
def test_what_runs_beside_others_makes_nothing_longer(
    searches: list[Searched], kind: Literal["unearned", "late_births"]
) -> None:
    runs = [one for searched in searches for one in getattr(searched.witness, kind)]
    assert runs
    for run, others in runs:
        assert others
        assert run.end_s <= max(one.end_s for one in others)


def test_most_are_born_in_time_to_climb(searches: list[Searched]) -> None:
    for searched in searches:
        assert searched.witness.early_births > 5 * len(searched.witness.late_births)


def test_a_search_ends_in_time_and_leaves_nothing_earned(searches: list[Searched]) -> None:
    for searched in searches:
        assert searched.ended_s <= BUDGET_S
        for one in searched.witness.ladder.earned(set()):
            assert searched.ended_s + FIRST_RUNG_S * 3 ** (one.rung + 1) > BUDGET_S
