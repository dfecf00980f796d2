"""Searches on a ladder: who climbs when, whatever is killed; designs; what workers lose."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import pytest
from search_toys import Following, Toy, ToyEvaluator, ToyLadder, ToySpace, toy_config

import vidnas
from vidnas.core import Evaluation, UserError
from vidnas.evolution import (
    Evaluator,
    Event,
    Executor,
    InlineExecutor,
    Limits,
    LocalExecutor,
    LocalSearch,
    ParetoEvolution,
    Strategy,
    Study,
    TopK,
    TournamentEvolution,
    Trial,
    run_search,
)
from vidnas.evolution.ladder import Ladder
from vidnas.evolution.niches import Niches
from vidnas.evolution.records import Records
from vidnas.families import Architecture

LIMITS = Limits(parameters=2000)
EVALUATIONS = 30
RUNGS = 3


def search(
    folder: Path,
    *,
    evaluator: Evaluator | None = None,
    make: Callable[[], Strategy] = lambda: TournamentEvolution(10, 4),
    space: ToySpace | None = None,
    executor: Executor | None = None,
    config: dict[str, Any] | None = None,
    evaluations: int | None = EVALUATIONS,
    **settings: Any,
) -> Event:
    strategy = make()
    asked = toy_config(LIMITS, strategy, rungs=RUNGS, **(config or {}))
    with Study.create_or_resume(folder, asked) as study:
        return run_search(
            study,
            space or ToySpace(),
            evaluator or ToyLadder(),
            strategy,
            executor or InlineExecutor(),
            evaluations=evaluations,
            **settings,
        )


def history(folder: Path) -> list[tuple[object, ...]]:
    return [
        (trial.number, trial.proposal, [(one.status, one.fitness) for one in trial.evaluations])
        for trial in Study.read(folder).history
    ]


class Killed(Exception):
    """Stands for a kill between two events."""


def search_killed_after_every_event(folder: Path, **settings: Any) -> int:
    kills = 0
    while True:

        def kill(event: Event) -> None:
            if event.trial is not None:
                raise Killed

        try:
            search(folder, on_event=kill, **settings)
        except Killed:
            kills += 1
        else:
            return kills


def test_every_climb_was_earned_and_nothing_earned_is_left(tmp_path: Path) -> None:
    events: list[Event] = []
    last = search(tmp_path, on_event=events.append)
    study = Study.read(tmp_path)
    ladder, niches = Ladder(RUNGS, Niches(LIMITS)), Niches(LIMITS)
    for trial in study.history:
        due = ladder.earned(set())
        assert [one.number for one in due[:1]] == ([trial.number] if trial.earlier else [])
        ladder.observe(trial)
    assert ladder.earned(set()) == []
    assert last.evaluations == EVALUATIONS
    assert {trial.rung for trial in study.trials} == {0, 1, 2}
    assert last.best == study.fittest(1)[0] == max(study.trials, key=lambda one: one.rank)
    assert len({niches.niche_of(trial) for trial in study.trials if trial.rung > 0}) > 1
    told = [event for event in events if event.trial is not None]
    assert [event.trial for event in told] == study.history
    for event in told:
        assert event.trial is not None
        assert (event.kind == "climbed") == (
            event.trial.rung > 0 and event.trial.evaluation.status == "ok"
        )
    assert sum(last.counts.values()) == len(study.trials)


def test_children_come_from_those_who_climbed(tmp_path: Path) -> None:
    search(tmp_path, make=lambda: TournamentEvolution(10, 10), evaluations=60)
    trials: dict[int, Trial] = {}
    for trial in Study.read(tmp_path).history:
        if not trial.earlier and trial.proposal.parent is not None:
            parent = trials[trial.proposal.parent]
            niche = Niches(LIMITS).niche_of(parent)
            rivals = [one for one in trials.values() if Niches(LIMITS).niche_of(one) == niche]
            assert parent.rank == max(one.rank for one in rivals)
        trials[trial.number] = trial


def test_one_killed_after_every_event_ends_as_one_that_was_not(tmp_path: Path) -> None:
    search(tmp_path / "whole")
    kills = search_killed_after_every_event(tmp_path / "parts")
    assert history(tmp_path / "parts") == history(tmp_path / "whole")
    assert kills == len(history(tmp_path / "whole"))


@dataclass(frozen=True)
class UnevenLadder(ToyLadder):
    """One rung takes longer than another."""

    def evaluate(
        self, architecture: Architecture, seed: int, deadline_s: float | None
    ) -> Evaluation:
        time.sleep((seed + self.rung) % 5 * 0.02)
        return super().evaluate(architecture, seed, deadline_s)


DETERMINISTIC = {"deterministic": True}


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[object, ...]]:
    folder = tmp_path_factory.mktemp("one") / "study"
    search(folder, config=DETERMINISTIC)
    found = history(folder)
    assert any(len(evaluations) == RUNGS for *_, evaluations in found)  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize("workers", [2, 4])  # `expected` is of one
def test_a_deterministic_ladder_has_one_history(
    tmp_path: Path, workers: int, expected: object
) -> None:
    with LocalExecutor(workers) as executor:
        search(tmp_path, evaluator=UnevenLadder(), executor=executor, config=DETERMINISTIC)
    assert history(tmp_path) == expected


def test_a_deterministic_ladder_killed_after_every_event(tmp_path: Path, expected: object) -> None:
    search_killed_after_every_event(tmp_path, config=DETERMINISTIC)
    assert history(tmp_path) == expected


@pytest.mark.parametrize(
    "make", [LocalSearch, lambda: ParetoEvolution(8, 4, objectives=("accuracy", "parameters"))]
)
def test_every_strategy_is_deterministic_on_a_ladder(tmp_path: Path, make: Any) -> None:
    search(tmp_path / "one", make=make, config=DETERMINISTIC, evaluations=15)
    search_killed_after_every_event(
        tmp_path / "two", make=make, config=DETERMINISTIC, evaluations=15
    )
    assert history(tmp_path / "one") == history(tmp_path / "two")


def search_in_workers(folder: Path, ledger: Path, log: Path, config: dict[str, Any]) -> None:
    """A search in a process of its own, to be killed."""

    def note(event: Event) -> None:
        if event.trial is not None:
            with log.open("a") as lines:
                lines.write(f"{event.trial.architecture.digest} {event.trial.rung}\n")

    with LocalExecutor(2) as executor:
        evaluator = ToyLadder(seconds=0.05, ledger=ledger)
        search(folder, evaluator=evaluator, executor=executor, config=config, on_event=note,
               evaluations=20)  # fmt: skip


@pytest.mark.parametrize("config", [{}, DETERMINISTIC])
def test_sigkill_loses_the_rungs_in_flight_and_no_other(
    tmp_path: Path, config: dict[str, Any]
) -> None:
    folder, ledger, log = (tmp_path / name for name in ("study", "ledger", "log"))
    arguments = folder, ledger, log, config
    for kill in range(2):
        process = multiprocessing.get_context("spawn").Process(
            target=search_in_workers, args=arguments
        )
        process.start()
        before = len(log.read_text().splitlines()) if log.exists() else 0
        while not log.exists() or len(log.read_text().splitlines()) < before + 5 + kill:
            time.sleep(0.01)
            assert process.is_alive()
        process.kill()
        process.join()
        recorded = {(one.architecture.digest, one.rung) for one in Study.read(folder).history}
        assert {(digest, int(rung)) for digest, rung in map(str.split, log.open())} <= recorded
    search_in_workers(*arguments)
    study = Study.read(folder)
    climbed = Counter((trial.architecture.digest, trial.rung) for trial in study.history)
    assert set(climbed.values()) == {1}
    ran = Counter((digest, int(rung)) for digest, rung in map(str.split, ledger.open()))
    in_flight = 2 if not config else 8  # finished, but not known yet to be on disk
    assert sum(ran.values()) - len(ran) <= 2 * in_flight
    if config:
        search(tmp_path / "whole", config=config, evaluations=20)
        assert history(folder) == history(tmp_path / "whole")


def test_a_search_ends_when_newborns_have_no_time_and_nobody_has_earned_a_rung(
    tmp_path: Path,
) -> None:
    evaluator = ToyLadder(rungs=RUNGS, seconds=0.1)
    budget_s = 3.0
    last = search(tmp_path, evaluator=evaluator, evaluations=None, budget_s=budget_s)
    study = Study.read(tmp_path)
    assert budget_s - 0.6 < last.elapsed_s < budget_s + 0.1
    ladder = Ladder(RUNGS, Niches(LIMITS))
    for trial in study.history:
        if trial.earlier:
            assert trial.number in {one.number for one in ladder.earned(set())}
        ladder.observe(trial)
    assert any(one.earlier for one in study.history)


DESIGNS = (Toy(widths=(1, 1, 1, 1)), Toy(widths=(9, 9, 9, 9)), Toy(widths=(32, 32, 32, 32)))


class Designed(ToySpace):
    def designs(self) -> tuple[Architecture, ...]:
        return DESIGNS


@pytest.mark.parametrize("make", [TournamentEvolution, LocalSearch, TopK])
def test_designs_come_first_also_after_a_kill(tmp_path: Path, make: Any) -> None:
    settings: dict[str, Any] = {"make": make, "space": Designed(), "config": {"designs": True}}
    search(tmp_path / "whole", evaluations=6, **settings)
    search_killed_after_every_event(tmp_path / "parts", evaluations=6, **settings)
    assert history(tmp_path / "parts") == history(tmp_path / "whole")
    trials = Study.read(tmp_path / "whole").trials
    assert tuple(trial.architecture for trial in trials[:3]) == DESIGNS
    assert [trial.proposal.design for trial in trials] == [True] * 3 + [False] * (len(trials) - 3)
    assert trials[2].evaluation.broken_limit == "parameters"
    assert repr(trials[0]).startswith("Trial(0, design, ok")


def test_designs_follow_the_better_unless_both_ways_are_drawn(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "space": Following(),
        "evaluator": ToyEvaluator(),
        "config": {"designs": True},
    }
    search(tmp_path / "whole", evaluations=8, **settings)
    search_killed_after_every_event(tmp_path / "parts", evaluations=8, **settings)
    assert history(tmp_path / "parts") == history(tmp_path / "whole")
    trials = Study.read(tmp_path / "whole").trials
    designs = [trial.architecture for trial in trials if trial.proposal.design]
    followed = tuple(Toy(widths=(n, n, n, 9)) for n in (4, 5))
    assert designs == [*Following().designs()[:4], *followed]


def test_designs_may_be_left_out_and_that_is_compared(tmp_path: Path) -> None:
    def run(designs: bool) -> Study:
        return vidnas.search(
            Designed(), ToyEvaluator(), evaluations=4, folder=tmp_path, designs=designs
        )

    assert not {trial.architecture for trial in run(designs=False).trials} & {*DESIGNS}
    with pytest.raises(UserError, match="designs is False there and True now"):
        run(designs=True)


def test_top_k_stays_on_the_lowest_rung(tmp_path: Path) -> None:
    search(tmp_path, make=TopK, evaluations=20)
    trials = Study.read(tmp_path).trials
    assert {trial.rung for trial in trials} == {0}
    assert {trial.proposal.parent for trial in trials} == {None}
    assert {one.state.name for one in stored(tmp_path)} <= {"COMPLETE", "FAIL", "PRUNED"}


def stored(folder: Path) -> list[optuna.trial.FrozenTrial]:
    """The trials as the dashboard reads them."""
    copy = folder.with_name(f"{folder.name}.db")
    shutil.copy(folder / "study.db", copy)
    return optuna.load_study(study_name="vidnas", storage=f"sqlite:///{copy}").trials


def require_shown(folder: Path) -> None:
    states = {"ok": "COMPLETE", "failed": "FAIL", "rejected": "PRUNED"}
    for shown, trial in zip(stored(folder), Study.read(folder).trials, strict=True):
        may_climb = trial.may_climb(RUNGS)
        assert shown.state.name == ("RUNNING" if may_climb else states[trial.evaluation.status])
        fitness = [one.fitness for one in trial.evaluations if one.fitness is not None]
        assert [*shown.intermediate_values.values()] == fitness
        if shown.state.name == "COMPLETE":
            assert shown.value == trial.fitness


def test_the_dashboard_sees_the_curve_and_who_is_paused(tmp_path: Path) -> None:
    search(tmp_path / "study", evaluations=EVALUATIONS)
    assert {one.state.name for one in stored(tmp_path / "study")} == {
        "RUNNING", "COMPLETE", "FAIL", "PRUNED"
    }  # fmt: skip
    require_shown(tmp_path / "study")


def test_what_a_kill_kept_from_the_dashboard_is_shown_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "study"
    with monkeypatch.context() as patch:
        patch.setattr(Records, "_show", lambda *_: None)
        search(folder)
    before = history(folder)
    assert not [one for one in stored(folder) if len(one.intermediate_values) > 1]
    search(folder)
    assert history(folder) == before
    require_shown(folder)


@dataclass(frozen=True)
class Unlucky(ToyLadder):
    """The worker dies on the middle rung, or is killed from outside on the lowest: of three
    candidates the first time, or always."""

    folder: Path = Path()
    always: bool = False
    shot: bool = False

    def evaluate(
        self, architecture: Architecture, seed: int, deadline_s: float | None
    ) -> Evaluation:
        marker = self.folder / architecture.digest
        first = not marker.exists() and len(list(self.folder.iterdir())) <= 3
        if self.rung == (0 if self.shot else 1) and (self.always or first):
            marker.touch()
            if self.shot:
                os.kill(os.getpid(), signal.SIGKILL)
            os._exit(3)
        return super().evaluate(architecture, seed, deadline_s)


@pytest.mark.parametrize(("always", "config"), [(False, DETERMINISTIC), (True, {})])
def test_a_climb_whose_worker_is_lost_is_tried_twice(
    tmp_path: Path, always: bool, config: dict[str, Any]
) -> None:
    with LocalExecutor(2) as executor:
        evaluator = Unlucky(folder=tmp_path, always=always)
        search(tmp_path / "study", evaluator=evaluator, executor=executor, config=config,
               evaluations=5)  # fmt: skip
    trials = Study.read(tmp_path / "study").trials
    died = [one for one in trials if one.evaluation.reason.startswith("the worker died")]
    assert bool(died) == always
    assert {trial.rung for trial in died} <= {1}
    assert any(trial.rung == 1 for trial in trials)


class Timed(InlineExecutor):
    """Remembers how long each climb may take."""

    def __init__(self) -> None:
        self.times: list[tuple[int, float | None]] = []

    def submit_within(self, timeout_s: float | None, function: Any, *args: Any) -> Future[Any]:
        self.times.append((function.__self__.rung, timeout_s))
        return self.submit(function, *args)


def test_each_climb_may_take_as_long_as_its_rung(tmp_path: Path) -> None:
    executor = Timed()
    search(tmp_path, executor=executor, evaluations=9, timeout_at=lambda rung: 10.0 + rung)
    assert {*executor.times} == {(0, 10.0), (1, 11.0), (2, 12.0)}


def test_a_birth_whose_worker_is_killed_from_outside_is_tried_again(
    tmp_path: Path, expected: object
) -> None:
    with LocalExecutor(2) as executor:
        evaluator = Unlucky(folder=tmp_path, shot=True)
        search(tmp_path / "study", evaluator=evaluator, executor=executor, config=DETERMINISTIC)
    assert len(list(tmp_path.iterdir())) > 3
    assert history(tmp_path / "study") == expected


def test_whose_worker_is_killed_every_time_has_failed(tmp_path: Path) -> None:
    with LocalExecutor(1) as executor:
        evaluator = Unlucky(folder=tmp_path, always=True, shot=True)
        search(tmp_path / "study", evaluator=evaluator, executor=executor, evaluations=1)
    trials = Study.read(tmp_path / "study").trials
    (trial,) = (one for one in trials if one.evaluation.status == "failed")
    assert trial.evaluation.reason == "the worker died with signal 9"
