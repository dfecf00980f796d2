import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import Future
from pathlib import Path

import pytest
from search_toys import (
    SEARCHED_LIMITS,
    ClumsyEvaluator,
    Toy,
    ToyEvaluator,
    ToySpace,
    is_clumsy,
    toy_config,
)

from vidnas.core import Evaluation, UserError
from vidnas.evolution import engine
from vidnas.evolution.engine import run_search
from vidnas.evolution.executors import InlineExecutor, LocalExecutor
from vidnas.evolution.launcher import evaluation_seed
from vidnas.evolution.limits import Limits
from vidnas.evolution.strategies import RandomSearch, TournamentEvolution
from vidnas.evolution.study import Study
from vidnas.families import create_network

TOYS = Path(__file__).parent / "search_toys.py"


def search(
    folder, *, evaluator=None, space=None, limits=None, strategy=None, executor=None, **ends
):
    strategy = strategy or TournamentEvolution(population=5, tournament=3)
    with Study.create_or_resume(folder, toy_config(limits, strategy)) as study:
        return run_search(
            study,
            space or ToySpace(),
            evaluator or ToyEvaluator(),
            strategy,
            executor or InlineExecutor(),
            **ends,
        )


def widths(folder):
    return [trial.architecture.widths for trial in Study.read(folder).trials]


def test_ends_at_the_number_asked_for_and_improves(tmp_path):
    events = []
    last = search(tmp_path, evaluations=40, on_event=events.append)
    assert last.evaluations == 40
    assert last.kind == "ended"
    assert [e.kind for e in events] == ["started", *["ok"] * 40, "ended"]
    trials = Study.read(tmp_path).trials
    assert last.best == max(trials, key=lambda t: t.fitness)
    assert last.best.fitness > max(t.fitness for t in trials[:5])
    assert all(t.proposal.parent is None for t in trials[:5])
    assert all(t.proposal.parent is not None and t.proposal.mutations for t in trials[5:])
    assert [t.elapsed_s for t in trials] == sorted(t.elapsed_s for t in trials)


def test_evolution_beats_random_search(tmp_path):
    evolved = search(tmp_path / "evolution", evaluations=40)
    drawn = search(tmp_path / "random", strategy=RandomSearch(), evaluations=40)
    assert evolved.best.fitness > drawn.best.fitness


def test_every_event_is_already_on_disk(tmp_path):
    def check(event):
        on_disk = Study.read(tmp_path).trials
        assert event.trial is None or on_disk[-1] == event.trial
        assert len(on_disk) == sum(event.counts.values())

    search(tmp_path, limits=Limits(parameters=1200), evaluations=3, on_event=check)


def test_limits_reject_before_evaluation(tmp_path):
    events = []
    last = search(tmp_path, limits=Limits(parameters=1000), evaluations=20, on_event=events.append)
    assert last.counts["ok"] == 20
    assert last.counts["rejected"] == last.rejections["parameters"] > 0
    for trial in Study.read(tmp_path).trials:
        parameters = sum(p.numel() for p in create_network(trial.architecture, 2).parameters())
        assert (trial.evaluation.status == "rejected") == (parameters > 1000)
    assert all(
        e.trial.evaluation.reason.endswith("> 1,000") for e in events if e.kind == "rejected"
    )


class RejectingEvaluator:
    def evaluate(self, architecture, seed, deadline_s):
        return Evaluation(status="rejected", reason="latency 3 ms > 0.1 ms")


@pytest.mark.parametrize(
    ("limits", "evaluator"),
    [(Limits(parameters=20), ToyEvaluator()), (Limits(latency_ms=0.1), RejectingEvaluator())],
)
def test_impossible_limits_end_with_a_sentence(tmp_path, monkeypatch, limits, evaluator):
    monkeypatch.setattr(engine, "GIVE_UP_AFTER", 30)
    for _ in range(2):  # the second time it is resumed
        with pytest.raises(UserError) as caught:
            search(tmp_path, limits=limits, evaluator=evaluator, evaluations=5)
        assert f"No architecture within {limits} was found among 30 random" in str(caught.value)
        assert "raise the limit or use another space" in str(caught.value)
        assert len(widths(tmp_path)) == 30
    assert ("the smallest had" in str(caught.value)) == (limits.parameters is not None)


class Unlucky:
    """Fails with some of the first candidates, and rejects all others."""

    def __init__(self, failures):
        self.failures = failures

    def evaluate(self, architecture, seed, deadline_s):
        self.failures -= 1
        if self.failures >= 0:
            raise MemoryError
        return Evaluation(status="rejected", reason="latency 3 ms > 0.1 ms")


@pytest.mark.parametrize("failures", [1, 14, 16, 99])
def test_where_no_candidate_is_ok_the_search_ends(tmp_path, monkeypatch, failures):
    """With the more frequent cause, however few evaluations are asked for."""
    monkeypatch.setattr(engine, "GIVE_UP_AFTER", 30)
    with pytest.raises(UserError) as caught:
        search(tmp_path, evaluator=Unlucky(failures), evaluations=100)
    assert len(widths(tmp_path)) == 30
    said = str(caught.value)
    if failures < 16:
        assert "was found among 30 random" in said
    else:
        count = min(failures, 30)
        assert f"{count} of 30 candidates failed and none succeeded, most often with 'out" in said


def test_what_all_failed_of_may_be_mended(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "GIVE_UP_AFTER", 10)
    with pytest.raises(UserError, match="none succeeded"):
        search(tmp_path, evaluator=Unlucky(99), evaluations=20)
    assert search(tmp_path, evaluations=20).counts == {"failed": 10, "ok": 10}


def test_one_that_was_ok_once_is_enough_to_go_on(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "GIVE_UP_AFTER", 10)

    class Spent(ToyEvaluator):
        calls = 0

        def evaluate(self, architecture, seed, deadline_s):
            Spent.calls += 1
            if Spent.calls > 1:
                raise MemoryError
            return super().evaluate(architecture, seed, deadline_s)

    assert search(tmp_path, evaluator=Spent(), evaluations=20).counts == {"ok": 1, "failed": 19}


def test_nothing_is_evaluated_twice_and_an_exhausted_space_ends_the_search(tmp_path):
    last = search(tmp_path, space=ToySpace(depth=2, most=4), evaluations=100)
    assert last.exhausted
    assert last.evaluations == 16
    assert len(set(widths(tmp_path))) == 16


def test_dead_genes_do_not_make_a_new_architecture(tmp_path):
    class Labelled(ToySpace):
        def random(self, rng):
            return Toy(widths=(int(rng.integers(1, 4)),), label=str(rng.random()))

    last = search(tmp_path, space=Labelled(), strategy=RandomSearch(), evaluations=10)
    assert last.evaluations == 3


def test_resumed_search_equals_an_uninterrupted_one(tmp_path):
    limits = Limits(parameters=1300)
    for end in (3, 8, 8, 15):
        search(tmp_path / "parts", limits=limits, evaluations=end)
    search(tmp_path / "whole", limits=limits, evaluations=15)
    assert widths(tmp_path / "parts") == widths(tmp_path / "whole")


def test_time_budget_counts_over_resumptions(tmp_path):
    first = search(tmp_path, evaluator=ToyEvaluator(0.05), budget_s=0.5)
    assert first.elapsed_s >= 0.5
    assert first.remaining_s == 0
    assert 0 < first.evaluations <= 10
    again = search(tmp_path, evaluator=ToyEvaluator(0.05), budget_s=0.5)
    assert again.evaluations <= first.evaluations + 1  # recording the last one took time, too


def test_an_endless_search_is_rejected(tmp_path):
    with pytest.raises(UserError, match="no end"):
        search(tmp_path)


@pytest.mark.parametrize(
    ("accident", "reason"),
    [
        ("exit", "the worker died with exit code 3"),
        ("hang", "took longer than 4 s"),
        ("raise", "ZeroDivisionError: the candidate divided by zero"),
        ("memory", "out of memory"),
        ("nan", "ValidationError"),
    ],
)
def test_accidents_are_recorded_and_the_search_continues(tmp_path, workers, accident, reason):
    last = search(
        tmp_path,
        evaluator=ClumsyEvaluator(accident),
        strategy=RandomSearch(),
        executor=workers,
        evaluations=4,
    )
    trials = Study.read(tmp_path).trials
    assert last.counts["failed"] > 0
    assert last.counts["ok"] > 0
    for trial in trials:
        clumsy = is_clumsy(trial.architecture)
        assert trial.evaluation.status == ("failed" if clumsy else "ok")
        assert reason in trial.evaluation.reason or not clumsy


@pytest.fixture(scope="module")
def workers():
    with LocalExecutor(workers=2, timeout_s=4) as executor:
        yield executor


def test_a_user_error_in_a_worker_ends_the_search(tmp_path):
    class Misled:
        def evaluate(self, architecture, seed, deadline_s):
            raise UserError("The cache is gone; build it again.")

    with pytest.raises(UserError, match="The cache is gone"):
        search(tmp_path, evaluator=Misled(), evaluations=5)
    assert widths(tmp_path) == []


@pytest.mark.parametrize(("presses", "kept"), [(1, 4), (2, 3)])
def test_ctrl_c_finishes_what_is_in_flight_and_twice_stops_at_once(tmp_path, presses, kept):
    class Interrupted(ToyEvaluator):
        calls = 0

        def evaluate(self, architecture, seed, deadline_s):
            Interrupted.calls += 1
            if Interrupted.calls == 4:
                for _ in range(presses):
                    os.kill(os.getpid(), signal.SIGINT)
                    time.sleep(0.1)
            return super().evaluate(architecture, seed, deadline_s)

    with pytest.raises(KeyboardInterrupt):
        search(tmp_path, evaluator=Interrupted(), evaluations=10)
    assert len(widths(tmp_path)) == kept
    assert search(tmp_path, evaluations=10).evaluations == 10


@pytest.mark.parametrize("presses", [1, 2])
def test_ctrl_c_while_recording_does_not_cut_the_record(tmp_path, presses):
    def interrupt(event):
        if event.counts.get("ok") == 3:
            for _ in range(presses):
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.1)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path, evaluations=10, on_event=interrupt)
    assert len(widths(tmp_path)) == len(set(widths(tmp_path))) == 3
    assert signal.getsignal(signal.SIGINT) is before


class InFives(InlineExecutor):
    """Completes five at once."""

    slots = 5

    def __init__(self):
        self.waiting = []

    def submit(self, *call):
        self.waiting.append((Future(), call))
        future, _ = self.waiting[-1]
        if len(self.waiting) == self.slots:
            for one, (function, *args) in self.waiting:
                one.set_result(function(*args))
            self.waiting.clear()
        return future


@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGINT] * 2])
def test_what_is_finished_when_a_search_is_stopped_is_recorded(tmp_path, signals):
    def interrupt(event):
        if event.counts.get("ok") == 1:
            for number in signals:
                os.kill(os.getpid(), number)
                time.sleep(0.1)

    with pytest.raises(KeyboardInterrupt):
        search(tmp_path, executor=InFives(), evaluations=10, on_event=interrupt)
    assert len(widths(tmp_path)) == 5


def test_an_evaluation_is_repeatable():
    seed = evaluation_seed(0, Toy(widths=(1, 2)))
    assert seed == evaluation_seed(0, Toy(widths=(1, 2), label="dead"))
    assert seed != evaluation_seed(1, Toy(widths=(1, 2)))
    assert seed != evaluation_seed(0, Toy(widths=(2, 1)))


def test_sigkill_loses_and_doubles_nothing(tmp_path):
    """The benchmark `kill_resume` does this more often, at more moments."""
    rng = random.Random(0)
    evaluations, announced = 24, []
    command = [sys.executable, str(TOYS), str(tmp_path / "study"), str(evaluations), "0.2"]
    for _ in range(2):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        announced.append(process.stdout.readline().split())  # the search is under way
        time.sleep(rng.uniform(0, 0.4))
        process.kill()
        announced += [line.split() for line in process.stdout.read().splitlines()]
        # One that had ended by itself would prove nothing.
        assert process.wait() == -signal.SIGKILL
    config = toy_config(SEARCHED_LIMITS)
    with Study.create_or_resume(tmp_path / "study", config) as study:
        run_search(
            study,
            ToySpace(),
            ToyEvaluator(),
            TournamentEvolution(),
            InlineExecutor(),
            evaluations=evaluations,
        )
    trials = Study.read(tmp_path / "study").trials
    on_disk = {(str(t.number), t.architecture.digest, t.evaluation.status): t for t in trials}
    assert all(tuple(line) in on_disk for line in announced)
    assert len({t.architecture.digest for t in trials}) == len(trials)
    assert sum(t.evaluation.status != "rejected" for t in trials) == evaluations
