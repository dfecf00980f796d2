"""What workers do when too little time is left for a newborn to climb, in simulated time."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

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
        self.last_born_s = 0.0

    def hear(self, event: Event) -> None:
        if event.trial is not None:
            self.numbers[event.trial.architecture.digest] = event.trial.number
            self.ladder.observe(event.trial)

    def see(self, run: Run, others: Collection[Run]) -> None:
        if run.rung == 0:
            self.last_born_s = max(self.last_born_s, run.end_s - FIRST_RUNG_S)
            return
        busy = {self.numbers[one.architecture.digest] for one in others if one.rung > 0}
        earned = [one.architecture.digest for one in self.ladder.earned(busy)]
        if run.architecture.digest not in earned:
            self.unearned.append((run, others))


@pytest.fixture(params=range(5), ids=lambda seed: f"seed {seed}")
def searched(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Witness, float]:
    """A search of two workers, and when it ended."""
    witness = Witness()
    workers = SimulatedWorkers(2, witness.see)
    monkeypatch.setattr(engine, "time", workers)
    monkeypatch.setattr(engine, "wait", workers.wait)
    strategy = RandomSearch()
    config = toy_config(LIMITS, strategy, rungs=RUNGS, seed=request.param)
    with Study.create_or_resume(tmp_path, config) as study:
        run_search(
            study,
            ToySpace(),
            TimedLadder(),
            strategy,
            workers,
            budget_s=BUDGET_S,
            on_event=witness.hear,
        )
    return witness, workers.now_s


def test_unearned_climbs_run_beside_others_and_end_no_later(
    searched: tuple[Witness, float],
) -> None:
    witness, _ = searched
    for run, others in witness.unearned:
        assert others
        assert run.end_s <= max(one.end_s for one in others)


def test_nobody_is_born_too_late_to_climb(searched: tuple[Witness, float]) -> None:
    witness, _ = searched
    assert 0 < witness.last_born_s <= LATE_S


def test_a_search_leaves_its_time_where_nobody_has_earned_more(
    searched: tuple[Witness, float],
) -> None:
    witness, ended_s = searched
    assert ended_s <= BUDGET_S
    could = [one for one in witness.ladder.leaders(set()) if one.rung + 1 < RUNGS]
    assert could  # who might have gone on, had there been time
    for one in witness.ladder.earned(set()):
        assert ended_s + FIRST_RUNG_S * 3 ** (one.rung + 1) > BUDGET_S
