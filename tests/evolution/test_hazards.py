"""What a search does when its machine misbehaves: real processes, real files, one sentence."""

import errno
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import optuna
import pytest
import search_toys
import sqlalchemy
from search_toys import ToyEvaluator, ToySpace, toy_config

from vidnas.core import UserError
from vidnas.evolution import records
from vidnas.evolution.engine import run_search
from vidnas.evolution.events import Event
from vidnas.evolution.executors import InlineExecutor, LocalExecutor, available_memory_bytes
from vidnas.evolution.strategies import RandomSearch
from vidnas.evolution.study import Study

TOYS = Path(search_toys.__file__)


def search_in(study: Study, evaluator: ToyEvaluator | None = None, **settings) -> Event:
    return run_search(
        study, ToySpace(), evaluator or ToyEvaluator(), RandomSearch(), InlineExecutor(), **settings
    )


@dataclass(frozen=True)
class FirstMisfortune(ToyEvaluator):
    """Something happens to the first worker that evaluates, and to no other."""

    marker: Path = Path()

    def evaluate(self, architecture, seed, deadline_s):
        if not self.marker.exists():
            self.marker.touch()
            self.happen()
        return super().evaluate(architecture, seed, deadline_s)

    def happen(self):
        raise NotImplementedError


class TakesAllMemory(FirstMisfortune):
    def happen(self):
        taken = []
        while True:  # as a leak does: bit by bit, and used
            taken.append(bytearray(os.urandom(1) * (64 << 20)))


class Freezes(FirstMisfortune):
    def happen(self):
        os.kill(os.getpid(), signal.SIGSTOP)  # no thread of the worker can help itself


@pytest.mark.parametrize(
    ("misfortune", "reason"),
    [
        pytest.param(
            TakesAllMemory,
            "out of memory",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's"),
        ),
        (Freezes, "took longer than 5 s"),
    ],
)
def test_a_worker_that_is_lost_is_recorded_and_replaced(tmp_path, misfortune, reason):
    folder, share = tmp_path / "study", (1 << 30) / available_memory_bytes()
    with (
        Study.create_or_resume(folder, toy_config(strategy=RandomSearch())) as study,
        LocalExecutor(workers=1, timeout_s=5, memory_share=share) as executor,
    ):
        evaluator = misfortune(marker=tmp_path / "happened")
        run_search(study, ToySpace(), evaluator, RandomSearch(), executor, evaluations=4)
    evaluations = [trial.evaluation for trial in Study.read(folder).trials]
    assert [one.status for one in evaluations] == ["failed", "ok", "ok", "ok"]
    assert evaluations[0].reason == reason


class FillsTheDisk(FirstMisfortune):
    def happen(self):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "spill")


class HasABrokenDisk(FirstMisfortune):
    def happen(self):
        raise RuntimeError(f"[C++] writing failed: {os.strerror(errno.EIO)}")


class LosesAMappedFile(FirstMisfortune):
    def happen(self):
        os.kill(os.getpid(), signal.SIGBUS)


@pytest.mark.parametrize(
    ("misfortune", "words"),
    [
        (FillsTheDisk, "No space left on device: 'spill'"),
        (HasABrokenDisk, "Input/output error"),
    ],
)
def test_what_the_machine_does_is_not_recorded_against_a_candidate(tmp_path, misfortune, words):
    folder, evaluator = tmp_path / "study", misfortune(marker=tmp_path / "happened")
    with (
        Study.create_or_resume(folder, toy_config()) as study,
        pytest.raises(UserError, match="run the same command again, which goes on") as caught,
    ):
        search_in(study, evaluator, evaluations=3)
    assert words in str(caught.value)
    with Study.create_or_resume(folder, toy_config()) as study:
        assert not study.trials
        search_in(study, evaluator, evaluations=3)
        assert [trial.evaluation.status for trial in study.trials] == ["ok"] * 3


def test_a_mapped_file_that_is_cut_off_is_not_recorded_against_a_candidate(tmp_path):
    evaluator = LosesAMappedFile(marker=tmp_path / "happened")
    with (
        Study.create_or_resume(tmp_path / "study", toy_config()) as study,
        LocalExecutor(workers=1) as executor,
        pytest.raises(UserError, match="cut off or cannot be read"),
    ):
        run_search(study, ToySpace(), evaluator, RandomSearch(), executor, evaluations=3)
    assert not Study.read(tmp_path / "study").trials


def run_search_process(folder: Path, evaluations: int) -> tuple[set[tuple[str, ...]], str]:
    """What a search in a process of its own announced, and its last words."""
    done = subprocess.run(
        [sys.executable, str(TOYS), str(folder), str(evaluations), "0"],
        capture_output=True,
        text=True,
        check=False,
    )
    announced = {tuple(line.split()) for line in done.stdout.splitlines() if line != "ended"}
    return announced, (done.stderr if done.returncode else done.stdout).splitlines()[-1]


@pytest.fixture
def small_disk(tmp_path):
    """A disk of one mebibyte, most of which is taken by the file `other`."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("no permission to mount a disk")
    (tmp_path / "other").write_bytes(bytes(860_000))
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


@pytest.mark.skipif(not shutil.which("mount"), reason="there is no mount")
def test_a_full_disk_is_named_and_the_search_continues_once_there_is_room(small_disk):
    study = small_disk / "study"
    before, sentence = run_search_process(study, 120)
    assert before
    assert sentence.endswith("free some space and run the same command again.")
    (small_disk / "other").unlink()
    after, sentence = run_search_process(study, 120)
    assert sentence == "ended"
    trials = Study.read(study).trials
    digests = {trial.architecture.digest for trial in trials}
    assert len(digests) == len(trials)
    assert before | after == {
        (str(t.number), t.architecture.digest, t.evaluation.status) for t in trials
    }


def test_a_locked_database_is_named_and_nothing_is_lost(tmp_path):
    others = []

    def lock(event):
        if event.counts.get("ok") == 3:
            others.append(sqlite3.connect(tmp_path / "study.db"))
            others[0].execute("BEGIN EXCLUSIVE")

    def shorten_the_wait(connection, *_):
        connection.execute("PRAGMA busy_timeout = 50")

    config = toy_config(strategy=RandomSearch())
    with Study.create_or_resume(tmp_path, config) as study:
        sqlalchemy.event.listen(
            study._records._optuna._storage._backend.engine, "checkout", shorten_the_wait
        )
        with pytest.raises(UserError, match="locked; another program is writing to it; close that"):
            search_in(study, evaluations=6, on_event=lock)
    others[0].close()
    before = Study.read(tmp_path).trials
    assert len(before) == 3
    with Study.create_or_resume(tmp_path, config) as study:
        search_in(study, evaluations=6)
        assert study.trials[:3] == before
        assert len(study.trials) == 6


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_corrupt_database_is_named_or_whole(tmp_path, share):
    """A block of rubbish, wherever it lies: a sentence or all the trials, never fewer."""
    config = toy_config(strategy=RandomSearch())
    with Study.create_or_resume(tmp_path, config) as study:
        search_in(study, evaluations=30)
        trials = study.trials
    database = tmp_path / "study.db"
    place = int(share * database.stat().st_size)
    with database.open("r+b") as file:
        file.seek(place)
        file.write(b"\xa5" * 4096)
    rubbish = database.read_bytes()
    try:
        with Study.create_or_resume(tmp_path, config) as study:
            assert study.trials == trials
    except UserError as error:
        assert re.search(r"study\.db: .*damaged|in .*study\.db cannot be read", str(error))
        assert "restore" in str(error)
        assert database.read_bytes() == rubbish


@pytest.mark.parametrize("now", [datetime(1970, 1, 1), datetime(2001, 1, 1), datetime(2200, 1, 1)])
def test_a_clock_that_jumps_changes_dates_only(tmp_path, monkeypatch, now):
    """The clock of the machine is not ours to set: the module that dates trials gets another."""

    class Jumping(datetime):
        @classmethod
        def now(cls, tz=None):
            return now

    def jump(event):
        if event.counts.get("ok") == 3:
            monkeypatch.setattr(records, "datetime", Jumping)

    config = toy_config(strategy=RandomSearch())
    started_s = time.monotonic()
    with Study.create_or_resume(tmp_path, config) as study:
        last = search_in(study, ToyEvaluator(0.05), budget_s=3, on_event=jump)
        took_s = time.monotonic() - started_s
        assert 3 <= last.elapsed_s <= took_s
        elapsed_s = [trial.elapsed_s for trial in study.trials]
        assert elapsed_s == sorted(elapsed_s)
    shutil.copy(tmp_path / "study.db", tmp_path / "copy.db")
    seen = optuna.load_study(study_name="vidnas", storage=f"sqlite:///{tmp_path}/copy.db").trials
    assert {trial.datetime_complete == now for trial in seen[:3]} == {False}
    assert {trial.datetime_complete == now for trial in seen[3:]} == {True}
    assert all(abs(trial.duration.total_seconds() - 0.05) < 1e-3 for trial in seen)
    with Study.create_or_resume(tmp_path, config) as study:
        assert search_in(study, evaluations=len(seen) + 2).evaluations == len(seen) + 2
