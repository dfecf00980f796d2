"""Where nothing can be redrawn, a job that says nothing still shows that it lives."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from search_toys import SEARCHED_LIMITS, ToyEvaluator, ToySpace, toy_config

from vidnas.cli import heartbeat
from vidnas.cli.live import Display
from vidnas.core import Evaluation
from vidnas.evolution.engine import run_search
from vidnas.evolution.executors import InlineExecutor
from vidnas.evolution.limits import Limits
from vidnas.evolution.strategies import TournamentEvolution
from vidnas.evolution.study import Study
from vidnas.families import Architecture

PATIENCE_S = 10.0


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "SILENCE_S", 0.05)


@pytest.fixture
def display() -> Iterator[Display]:
    with Display() as display:
        yield display


def next_beat(capsys: pytest.CaptureFixture[str]) -> str:
    """What the display says next of its own accord."""
    said, deadline = "", time.monotonic() + PATIENCE_S
    while "...  " not in said:
        assert time.monotonic() < deadline, said
        time.sleep(0.01)
        said += capsys.readouterr().err
    return [line for line in said.splitlines() if "...  " in line][-1]


def test_the_step_before_there_is_a_bar(
    display: Display, capsys: pytest.CaptureFixture[str]
) -> None:
    display.say("Measuring the winner.")
    assert "still at it: Measuring the winner." in next_beat(capsys)


def test_of_a_long_step_the_beginning_is_repeated(
    display: Display, capsys: pytest.CaptureFixture[str]
) -> None:
    display.say("best/model.onnx, checked on " + "many real clips, " * 20)
    said = next_beat(capsys)
    assert "still at it: best/model.onnx, checked on many real clips," in said
    assert said.endswith("…") and len(said) < 120


def test_a_task_with_its_share(display: Display, capsys: pytest.CaptureFixture[str]) -> None:
    display.progress("Decoding", 30, 120)
    assert next_beat(capsys).strip() == "...   Decoding 25%"
    display.progress("Decoding", 120, 120)
    display.say("Testing.")
    capsys.readouterr()
    assert "Decoding" not in next_beat(capsys)


def test_nothing_after_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    with Display() as display:
        display.say("Working.")
        next_beat(capsys)
    capsys.readouterr()
    time.sleep(0.2)
    assert capsys.readouterr().err == ""


def test_while_all_are_rejected_the_cheapest_is_named(
    display: Display, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A search that rejects everything for its first seconds, and then falls silent."""
    limits = Limits(parameters=300)
    beats: list[str] = []

    class Slow(ToyEvaluator):
        def evaluate(
            self, architecture: Architecture, seed: int, deadline_s: float | None
        ) -> Evaluation:
            next_beat(capsys)  # which may be older than the last rejection
            beats.append(next_beat(capsys))
            return super().evaluate(architecture, seed, deadline_s)

    with Study.create_or_resume(tmp_path, toy_config(limits)) as study:
        run_search(
            study,
            ToySpace(),
            Slow(),
            TournamentEvolution(),
            InlineExecutor(),
            evaluations=1,
            on_event=display.searched,
        )
    rejected = [trial for trial in study.trials if trial.evaluation.status == "rejected"]
    assert len(rejected) > 5, "the limit is too wide for this test"
    cheapest = min(rejected, key=lambda one: one.evaluation.cost.parameters)  # type: ignore[union-attr]
    assert f"{len(rejected)} rejected ({len(rejected)} for parameters)" in beats[0]
    assert f"the cheapest, trial {cheapest.number}: {cheapest.evaluation.reason}" in beats[0]


def test_each_limit_has_its_nearest(tmp_path: Path) -> None:
    nearest: list[dict[str, int]] = []
    with Study.create_or_resume(tmp_path, toy_config(SEARCHED_LIMITS)) as study:
        run_search(
            study,
            ToySpace(),
            ToyEvaluator(),
            TournamentEvolution(),
            InlineExecutor(),
            evaluations=5,
            on_event=lambda event: nearest.append(
                {limit: trial.number for limit, trial in event.nearest.items()}
            ),
        )
    refused = [one for one in study.trials if one.evaluation.status == "rejected"]
    least = min(refused, key=lambda one: one.evaluation.cost.parameters)  # type: ignore[union-attr]
    assert nearest[-1] == {"parameters": least.number}
