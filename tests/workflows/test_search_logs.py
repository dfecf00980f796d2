"""Events as JSON lines and scalars for TensorBoard: every trial once, whatever happens."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from search_toys import SEARCHED_LIMITS, ToyEvaluator, ToyLadder, ToySpace, toy_config

from vidnas.core import UserError
from vidnas.evolution.engine import run_search
from vidnas.evolution.events import Event
from vidnas.evolution.executors import InlineExecutor
from vidnas.evolution.strategies import TournamentEvolution
from vidnas.evolution.study import Study
from vidnas.workflows.event_log import EventLine, EventLog
from vidnas.workflows.search_log import SearchLog
from vidnas.workflows.tensorboard_log import TensorBoardLog


def search(
    folder: Path, evaluations: int, *logs: SearchLog, seconds: float = 0.0, rungs: int = 1
) -> None:
    """A search as the command runs it."""

    def tell(event: Event) -> None:
        for log in logs:
            log.searched(event)

    with Study.create_or_resume(folder, toy_config(SEARCHED_LIMITS, rungs=rungs)) as study:
        for log in logs:
            log.opened(study.history)
        run_search(
            study,
            ToySpace(),
            ToyEvaluator(seconds) if rungs == 1 else ToyLadder(rungs),
            TournamentEvolution(),
            InlineExecutor(),
            evaluations=evaluations,
            on_event=tell,
        )


def read_lines(path: Path) -> list[dict[str, Any]]:
    assert path.read_bytes().endswith(b"\n")
    return [json.loads(line) for line in path.read_text().splitlines()]


def require_all_trials_once(lines: list[dict[str, Any]], study: Path) -> None:
    trials = Study.read(study).trials
    told = [line["trial"] for line in lines if line["trial"]]
    assert [(one["number"], one["digest"]) for one in told] == [
        (trial.number, trial.architecture.digest) for trial in trials
    ]
    for one, trial in zip(told, trials, strict=True):
        assert one["evaluation"] == trial.evaluation.model_dump(mode="json")


def test_a_line_an_event(tmp_path: Path) -> None:
    with EventLog(tmp_path / "events.jsonl", print) as lines:
        search(tmp_path / "study", 5, lines)
    told = read_lines(tmp_path / "events.jsonl")
    require_all_trials_once(told, tmp_path / "study")
    assert [told[0]["event"], told[-1]["event"]] == ["started", "ended"]
    for line in told:
        assert line["time"].endswith("Z")
        assert EventLine.model_validate(line).model_dump(mode="json") == line
    assert told[-1]["counts"]["ok"] == 5
    assert told[-1]["rejections"] == {"parameters": told[-1]["counts"]["rejected"]}
    assert told[-1]["remaining_s"] == 0
    refused = next(line["trial"]["evaluation"] for line in told if line["event"] == "rejected")
    assert refused["cost"]["parameters"] > 1500
    best = max(
        (line["trial"] for line in told if line["event"] == "ok"),
        key=lambda trial: trial["evaluation"]["fitness"],
    )
    assert told[-1]["best"] == best


def test_an_event_is_written_after_its_trial_and_readable_at_once(tmp_path: Path) -> None:
    class Checked(EventLog):
        def write(self, event: Event) -> None:
            super().write(event)
            (last,) = read_lines(self._path)[-1:]
            number = last["trial"] and last["trial"]["number"]
            assert number is None or len(Study.read(tmp_path / "study").trials) == number + 1

    with Checked(tmp_path / "events.jsonl", print) as lines:
        search(tmp_path / "study", 2, lines)


def test_kill_and_resume_tell_every_trial_once(tmp_path: Path) -> None:
    study, path = tmp_path / "study", tmp_path / "events.jsonl"
    toys = Path(sys.modules["search_toys"].__file__ or "").parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(toys), *sys.path])}
    command = [sys.executable, __file__, str(study), str(path)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for _ in range(6):
        assert process.stdout.readline()
    process.kill()
    assert process.wait() == -signal.SIGKILL
    # As if it had been killed between recording a trial and telling of it.
    kept = path.read_bytes().splitlines(keepends=True)[:-1]
    path.write_bytes(b"".join(kept))
    with EventLog(path, print) as lines:
        search(study, 12, lines)
    require_all_trials_once(read_lines(path), study)
    assert path.read_bytes().startswith(b"".join(kept))


def test_a_ladder_is_told_rung_by_rung_and_no_rung_twice(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    path, study = tmp_path / "events.jsonl", tmp_path / "study"
    with EventLog(path, print) as lines:
        search(study, 9, lines, rungs=3)
    with EventLog(path, print) as lines, TensorBoardLog(tmp_path / "board", print) as scalars:
        search(study, 20, lines, scalars, rungs=3)
    history = Study.read(study).history
    told = [line for line in read_lines(path) if line["trial"]]
    assert [(line["trial"]["number"], line["trial"]["rung"]) for line in told] == [
        (trial.number, trial.rung) for trial in history
    ]
    assert {line["trial"]["rung"] for line in told if line["event"] == "climbed"} == {1, 2}
    born = 0
    for line in told:
        born += line["trial"]["rung"] == 0
        assert sum(line["counts"].values()) == born
    read = read_scalars(tmp_path / "board")
    assert [scalar.value for scalar in read["candidate/rung"]] == [one.rung for one in history]


def test_a_search_that_was_not_watched_from_the_start(tmp_path: Path) -> None:
    search(tmp_path / "study", 3)
    with EventLog(tmp_path / "events.jsonl", print) as lines:
        search(tmp_path / "study", 5, lines)
    told = read_lines(tmp_path / "events.jsonl")
    require_all_trials_once(told, tmp_path / "study")
    for number, line in enumerate(line for line in told if line["trial"]):
        assert sum(line["counts"].values()) == number + 1


@contextmanager
def small_files(limit_bytes: int) -> Iterator[None]:
    """A limit on the size of files stands in for a disk without room."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("make", [EventLog, TensorBoardLog])
def test_a_full_disk_is_said_once_and_made_good_later(
    tmp_path: Path, make: Callable[[Path, Callable[[str], None]], SearchLog]
) -> None:
    study, path = tmp_path / "study", tmp_path / "watched"
    said: list[str] = []
    search(study, 12)
    history = Study.read(study).history
    with make(path, said.append) as log, small_files(2500):
        log.opened(history)
    (sentence,) = said
    assert f"{path} cannot be written" in sentence
    assert "the search continues" in sentence
    with make(path, said.append) as log:
        search(study, 14, log)
    if make is EventLog:
        numbers = {line["trial"]["number"] for line in read_lines(path) if line["trial"]}
    else:
        numbers = {scalar.step for scalar in read_scalars(path)["search/evaluations"]}
    assert numbers == set(range(len(Study.read(study).trials)))


@pytest.mark.parametrize("content", [b"\x00", b"[1]\n", b'{"trial": 1}\n', b"hello\n"])
def test_a_file_of_something_else_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(UserError, match="something other than events"):
        EventLog(path, print)
    assert path.read_bytes() == content


def test_a_line_that_a_power_cut_has_torn_is_written_again(tmp_path: Path) -> None:
    study, path = tmp_path / "study", tmp_path / "events.jsonl"
    with EventLog(path, print) as lines:
        search(study, 2, lines)
    *whole, last_trial, _ = path.read_bytes().splitlines(keepends=True)
    assert b'"digest"' in last_trial
    path.write_bytes(b"".join(whole) + last_trial[:-40])
    with EventLog(path, print) as lines:
        search(study, 4, lines)
    require_all_trials_once(read_lines(path), study)


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="choose a file"):
        EventLog(tmp_path / "nowhere" / "events.jsonl", print)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="choose a folder"):
        TensorBoardLog(tmp_path / "file", print)


def read_scalars(folder: Path) -> dict[str, list[Any]]:
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator"
    ).EventAccumulator(str(folder), size_guidance={"scalars": 0})
    accumulator.Reload()
    return {name: accumulator.Scalars(name) for name in accumulator.Tags()["scalars"]}


def test_scalars_come_back_and_no_step_twice(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    for evaluations in (3, 3, 6):  # resumed once with nothing to do
        with TensorBoardLog(tmp_path / "board", print) as scalars:
            search(tmp_path / "study", evaluations, scalars)
    read, trials = read_scalars(tmp_path / "board"), Study.read(tmp_path / "study").trials
    assert [scalar.step for scalar in read["search/evaluations"]] == list(range(len(trials)))
    ok = [trial for trial in trials if trial.evaluation.status == "ok"]
    fitness = {scalar.step: scalar.value for scalar in read["candidate/fitness"]}
    assert fitness == pytest.approx({trial.number: trial.fitness for trial in ok})
    assert len(read["candidate/fitness"]) == len(ok) == 6
    best = [scalar.value for scalar in read["search/best_fitness"]]
    assert best == sorted(best)
    refused = next(trial for trial in trials if trial.evaluation.cost)
    macs = {scalar.step: scalar.value for scalar in read["candidate/macs"]}
    assert refused.evaluation.cost is not None
    assert macs[refused.number] == refused.evaluation.cost.macs


def test_without_tensorboard_there_is_a_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UserError, match=r"pip install 'vidnas\[tensorboard\]'"):
        TensorBoardLog(tmp_path, print)


if __name__ == "__main__":  # a process of its own, to be killed

    class Announced(EventLog):
        """Says on standard output that something is written."""

        def write(self, event: Event) -> None:
            super().write(event)
            print(event.kind, flush=True)

    with Announced(Path(sys.argv[2]), print) as watched:
        search(Path(sys.argv[1]), 1000, watched, seconds=0.05)
