"""A deterministic study: one history, whatever the workers, the accidents and the kills."""

from __future__ import annotations

import multiprocessing
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from search_toys import SEARCHED_LIMITS, Toy, ToyEvaluator, ToySpace, toy_config

from vidnas.core import Evaluation
from vidnas.evolution import (
    InlineExecutor,
    LocalExecutor,
    LocalSearch,
    ParetoEvolution,
    Strategy,
    Study,
    TournamentEvolution,
    run_search,
)
from vidnas.evolution.engine import LOOKAHEAD
from vidnas.evolution.events import Event
from vidnas.families import Architecture

EVALUATIONS = 40


@dataclass(frozen=True)
class UnevenEvaluator:
    """Evaluates as the toys' evaluator, but one takes longer than another, and some fail."""

    def describe(self) -> dict[str, Any]:
        return {}

    def evaluate(
        self, architecture: Architecture, seed: int, deadline_s: float | None
    ) -> Evaluation:
        assert isinstance(architecture, Toy)
        time.sleep(seed % 5 * 0.02)
        if seed % 7 == 0:
            raise ZeroDivisionError
        return ToyEvaluator().evaluate(architecture, seed, deadline_s)


def search(folder: Path, workers: int, evaluations: int, strategy: Strategy | None = None) -> None:
    strategy = strategy or TournamentEvolution(10, 4)
    config = toy_config(SEARCHED_LIMITS, strategy, deterministic=True)
    executor = LocalExecutor(workers) if workers else InlineExecutor()
    log = folder.with_suffix(".log")

    def note(event: Event) -> None:
        with log.open("a") as lines:
            lines.write(f"{event.kind}\n")

    with Study.create_or_resume(folder, config) as study:
        try:
            run_search(
                study,
                ToySpace(),
                UnevenEvaluator(),
                strategy,
                executor,
                evaluations=evaluations,
                on_event=note,
            )
        finally:
            executor.shutdown()


def history(folder: Path) -> list[tuple[object, ...]]:
    return [
        (trial.proposal, trial.evaluation.status, trial.evaluation.fitness)
        for trial in Study.read(folder).trials
    ]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[object, ...]]:
    folder = tmp_path_factory.mktemp("one") / "study"
    search(folder, workers=0, evaluations=EVALUATIONS)
    return history(folder)


def test_four_workers_write_the_history_of_one(tmp_path: Path, expected: object) -> None:
    search(tmp_path / "study", workers=4, evaluations=EVALUATIONS)
    assert history(tmp_path / "study") == expected


def test_a_killed_search_writes_the_same_history(tmp_path: Path, expected: object) -> None:
    folder, log = tmp_path / "study", tmp_path / "study.log"
    for kill in range(2):
        process = multiprocessing.get_context("spawn").Process(
            target=search, args=(folder, 3, EVALUATIONS)
        )
        process.start()
        wanted = (len(log.read_text().splitlines()) if log.exists() else 0) + 4 + 3 * kill
        while not log.exists() or len(log.read_text().splitlines()) < wanted:
            time.sleep(0.01)
            assert process.is_alive()
        process.kill()
        process.join()
    search(folder, workers=2, evaluations=EVALUATIONS)
    assert history(folder) == expected


@pytest.mark.parametrize(
    "strategy", [LocalSearch, lambda: ParetoEvolution(8, 4, objectives=("accuracy", "parameters"))]
)
def test_every_strategy_is_deterministic(tmp_path: Path, strategy: type[LocalSearch]) -> None:
    search(tmp_path / "one", 0, 25, strategy())
    search(tmp_path / "three", 3, 25, strategy())
    assert history(tmp_path / "one") == history(tmp_path / "three")


def test_what_is_finished_ahead_of_its_turn_is_not_evaluated_again(tmp_path: Path) -> None:
    config = toy_config(deterministic=True)
    with Study.create_or_resume(tmp_path, config) as study:
        architecture = Toy(widths=(1, 2, 3, 4))
        kept = Evaluation(status="ok", fitness=0.5)
        study.keep_unrecorded(architecture, 0, kept)
        study.keep_unrecorded(architecture, 0, kept)
    with Study.create_or_resume(tmp_path, config) as study:
        assert study.trials == []
        assert study.unrecorded == {(architecture.digest, 0): kept}


def test_a_longer_search_begins_as_the_shorter_one(tmp_path: Path, expected: list[object]) -> None:
    search(tmp_path / "study", workers=2, evaluations=EVALUATIONS // 2)
    search(tmp_path / "study", workers=2, evaluations=EVALUATIONS)
    assert history(tmp_path / "study") == expected
    assert len(expected) > EVALUATIONS > LOOKAHEAD
