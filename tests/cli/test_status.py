"""How a study stands, seen from another process."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import search_toys
from commands import Vidnas, call, read_json
from search_toys import ClumsyEvaluator, Toy, ToySpace, is_clumsy, toy_config

from vidnas.core import Cost, UserError
from vidnas.evolution.engine import run_search
from vidnas.evolution.executors import InlineExecutor
from vidnas.evolution.limits import Limits
from vidnas.evolution.strategies import TournamentEvolution
from vidnas.evolution.study import Study
from vidnas.evolution.trial import Proposal
from vidnas.workflows.status import StudyStatus, read_status


def test_while_a_search_runs_and_after_a_sigkill(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    command = [sys.executable, str(search_toys.__file__), str(folder), "1000", "0.2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for _ in range(3):
        assert process.stdout.readline()
    running = read_status(folder)
    again = read_status(folder)  # looking changes nothing
    assert process.poll() is None
    process.kill()
    process.stdout.read()
    assert process.wait() == -signal.SIGKILL
    killed = read_status(folder)
    assert running.searching
    assert again.searching
    assert not killed.searching
    assert sum(running.trials.values()) >= 3
    assert sum(killed.trials.values()) >= sum(again.trials.values())
    assert killed.since_last_trial_s is not None
    assert 0 <= killed.since_last_trial_s < 60
    assert (killed.evaluations_asked, killed.remaining_s) == (None, None)  # from Python


@pytest.fixture
def clumsy(tmp_path: Path) -> Path:
    """A study in this process, with failures."""
    with Study.create_or_resume(tmp_path / "study", toy_config()) as study:
        run_search(
            study,
            ToySpace(),
            ClumsyEvaluator("raise"),
            TournamentEvolution(),
            InlineExecutor(),
            evaluations=12,
        )
    return tmp_path / "study"


def test_what_it_says(clumsy: Path) -> None:
    trials = Study.read(clumsy).trials
    failed = sum(is_clumsy(trial.architecture) for trial in trials)
    said = call("status", clumsy).stdout
    assert "no search is running" in said
    assert f"{12 - failed} trained, {failed} failed" in said
    assert f"{failed} x ZeroDivisionError: the candidate divided by zero" in said
    best = max(trials, key=lambda trial: trial.fitness)
    assert f"trial {best.number}: fitness {best.fitness:.4g}" in said


def test_json_is_the_value(clumsy: Path) -> None:
    told: dict[str, Any] = read_json(call("status", clumsy, "--json"))
    status = StudyStatus.model_validate(told)
    assert set(told) == {
        "study", "searching", "family", "strategy", "limits", "evaluations_asked",
        "search_budget_s", "trials", "rejections", "failures", "rungs", "best", "gain", "elapsed_s",
        "since_last_trial_s", "remaining_s", "candidates_per_minute", "accounting", "winner",
        "chance", "warning", "nearest",
    }  # fmt: skip
    assert status.elapsed_s == Study.read(clumsy).trials[-1].elapsed_s
    assert status.rungs == (status.trials["ok"],)
    assert status.accounting is None  # the number of workers is not known
    assert status.failures[0].count == status.trials["failed"]
    assert status.candidates_per_minute == pytest.approx(60 * 12 / status.elapsed_s)


def test_a_study_without_trials(tmp_path: Path) -> None:
    with Study.create_or_resume(tmp_path, toy_config()):
        assert read_status(tmp_path).searching
    assert "none yet" in call("status", tmp_path).stdout


def test_a_folder_that_is_no_study(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a study"):
        read_status(tmp_path)


def test_of_a_finished_search(vidnas: Vidnas, study: Path) -> None:
    told = read_json(vidnas("status", study, "--json"))
    assert told["evaluations_asked"] == 3
    assert told["remaining_s"] == 0
    assert told["limits"]["latency_ms"] == 20
    assert told["winner"]["trial"] < sum(told["trials"].values())
    assert told["winner"]["epochs_kept"] == 1
    assert 0 <= told["winner"]["time_use"]["shuffled"] <= 1
    assert told["gain"]["number"] == told["winner"]["trial"]
    assert sum(told["rungs"]) == told["trials"]["ok"]
    spent = told["accounting"]
    assert spent.pop("workers") >= 1
    assert spent["finished_s"] > 0
    said = vidnas("status", study).stdout
    assert "% training of networks that were finished" in said
    assert f"on {told['winner']['test']['clips']} test clips" in said
    assert "with 95 % confidence, guessing reaches 33.3%" in said
    assert "evolution in tinyvideonet, 3 evaluations, latency 20 ms" in said


def test_before_any_candidate_keeps_the_limits_the_cheapest_is_named(tmp_path: Path) -> None:
    limits = Limits(parameters=100)
    with Study.create_or_resume(tmp_path, toy_config(limits)) as study:
        for width in (30, 20, 40):
            rejected = limits.judge(Cost(parameters=10 * width, macs=1, activation_bytes=1))
            assert rejected is not None
            study.record(Proposal(Toy(widths=(width,))), rejected, elapsed_s=1.0)
    assert (
        "none yet; the cheapest, trial 1: parameters 200 > 100" in call("status", tmp_path).stdout
    )
