"""SIGKILL of a search or of one of its workers at random moments: nothing lost, nothing doubled.

Real studies and real worker processes on the Tiny Video Network space; only the evaluation is fake.
A worker appends a line to a ledger as its evaluation ends, and the driver one to a log when a trial
is announced. Whenever the driver was killed, and at the end of each study, this must hold:

* lost: what was announced is in the study, and what was in the study is there unchanged;
* doubled: no architecture is in the study twice, and no evaluation that the study held runs again.

Evaluations that were in flight when the driver was killed were never recorded: they may run again,
and are counted. One in flight when its worker was killed is recorded as failed.

python -m benchmarks.kill_resume [--kills 1000]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from vidnas.core.evaluation import Evaluation
from vidnas.evolution.executors import LocalExecutor

# Workers import this module: torch and Optuna, imported in functions, would cost each a second.
if TYPE_CHECKING:
    from vidnas.evolution import Study
    from vidnas.evolution.engine import Event

RESULTS = Path(__file__).parent / "results" / "kill_resume.json"
KILLS_A_STUDY = 50
DRIVERS_SHARE = 0.3  # of the kills; the others hit one worker
EARLY_SHARE = 0.5  # of fresh drivers to be killed: while they open the study and start workers
LONGEST_RUN_S = 0.6
EVALUATION_S = 0.02
WORKERS = 2
PATIENCE_S = 120.0


class SlowNothing:
    """Takes its time, and notes in a ledger that it came to its end."""

    def __init__(self, ledger: Path) -> None:
        self.ledger = ledger

    def evaluate(self, digest: str, seed: int, deadline_s: float | None) -> Evaluation:
        """Sleep."""
        time.sleep(EVALUATION_S)
        append(self.ledger, digest)
        return Evaluation(status="ok", fitness=seed / 2**32, seconds=EVALUATION_S)


class LightExecutor(LocalExecutor):
    """Sends an architecture's digest to the worker, which so need not import torch."""

    def submit(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run the function in the next free worker."""
        architecture, *others = args
        return super().submit(function, architecture.digest, *others)


def append(path: Path, line: str) -> None:
    """Add a line in one system call: after a kill it is there whole or not at all."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{line}\n".encode())
    os.close(descriptor)


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def search(folder: Path, evaluations: int | None) -> None:
    """What the driver does: go on with the study, to a number of evaluations or until killed."""
    from vidnas.evolution import Limits, Study, StudyConfig, TournamentEvolution, run_search
    from vidnas.families import families

    def announce(event: Event) -> None:
        about = event.trial and f"{event.trial.number} {event.trial.architecture.digest} "
        append(folder / "log", f"{about or ''}{event.kind}")

    space = families()["tinyvideonet"].space(max_size_px=64, max_frames=16)
    strategy = TournamentEvolution()
    config = StudyConfig(
        family="tinyvideonet",
        space=space.describe(),
        classes=("left", "right"),
        data_fingerprint="none",
        limits=Limits.parse(["parameters=2M"]),
        strategy=strategy.describe(),
        training={},
        seed=0,
    )
    evaluator: Any = SlowNothing(folder / "ledger")
    with (
        Study.create_or_resume(folder / "study", config) as study,
        LightExecutor(workers=WORKERS) as executor,
    ):
        run_search(
            study,
            space,
            evaluator,
            strategy,
            executor,
            evaluations=evaluations,
            budget_s=None if evaluations else 3600,
            on_event=announce,
        )


class Torture:
    """One study, killed again and again; `check` compares it with what was seen before."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self.folder = folder
        self.rng = rng
        self.driver: ForkServerProcess | None = None
        self.recorded: list[str] = []
        self.ledger_read = 0
        self.counts: Counter[str] = Counter()

    def kill(self, of_driver: bool) -> None:
        """Kill the driver or one of its workers, at a random moment; a dead driver is replaced."""
        if self.driver is None:
            self.start(None)
            if not (of_driver and self.rng.random() < EARLY_SHARE):
                self.wait_for_more()
        time.sleep(self.rng.uniform(0, LONGEST_RUN_S))
        if of_driver:
            self.kill_driver()
            self.check()
        else:
            self.kill_worker()
            self.wait_for_more()

    def start(self, evaluations: int | None) -> None:
        """Start a driver, forked by a server that has imported the search."""
        server = multiprocessing.get_context("forkserver")
        self.driver = server.Process(target=search, args=(self.folder, evaluations))
        self.driver.start()

    def wait_for_more(self) -> None:
        """Until the search has announced something: it must not stand still."""
        before, end = len(lines(self.folder / "log")), time.monotonic() + PATIENCE_S
        while len(lines(self.folder / "log")) == before:
            if time.monotonic() > end:
                raise SystemExit(f"nothing was announced for {PATIENCE_S:g} s")
            time.sleep(0.01)

    def workers(self) -> list[psutil.Process]:
        """Those that run or start; one that just died and was not buried yet is none."""
        found = []
        for child in psutil.Process(self.driver.pid).children() if self.driver else []:
            with suppress(psutil.NoSuchProcess):  # zombies are that, too
                if "spawn_main" in " ".join(child.cmdline()):
                    found.append(child)
        return found

    def kill_worker(self) -> None:
        """Kill any one of them."""
        while not (workers := self.workers()):
            time.sleep(0.01)
        self.rng.choice(workers).kill()
        self.counts["workers killed"] += 1

    def kill_driver(self) -> None:
        """Kill the search; its workers must follow."""
        if self.driver is None:
            return
        workers = self.workers()
        self.driver.kill()
        self.driver.join()
        # One that had ended by itself was not killed.
        if self.driver.exitcode != -signal.SIGKILL:
            raise SystemExit(f"the search ended by itself with code {self.driver.exitcode}")
        self.driver = None
        self.counts["drivers killed"] += 1
        if psutil.wait_procs(workers, timeout=PATIENCE_S)[1]:
            raise SystemExit("workers outlived their driver")

    def finish(self) -> None:
        """Let the search end by itself, where it is told to."""
        end = self.check() + 10
        self.start(end)
        if self.driver is not None:
            self.driver.join()
            if self.driver.exitcode != 0:
                raise SystemExit(f"the search failed with code {self.driver.exitcode}")
        if self.check() != end or lines(self.folder / "log")[-1] != "ended":
            raise SystemExit(f"told to end at {end} evaluations, ended elsewhere")
        ledger = lines(self.folder / "ledger")
        self.counts.update(line.split()[2] for line in self.recorded)
        self.counts["run again, having been in flight"] = len(ledger) - len(set(ledger))

    def check(self) -> int:
        """Compare study, log and ledger; the number of evaluations in the study."""
        log, ledger = lines(self.folder / "log"), lines(self.folder / "ledger")
        if not log:  # killed before the study was there
            return 0
        study = read_study(self.folder)
        trials = [f"{t.number} {t.architecture.digest} {t.evaluation.status}" for t in study.trials]
        announced = [line for line in log if line not in ("started", "ended")]
        lost = set(announced) - set(trials)
        if lost or trials[: len(self.recorded)] != self.recorded:
            raise SystemExit(f"lost: {lost or 'a trial that had been recorded'}")
        digests = Counter(trial.architecture.digest for trial in study.trials)
        held = {trial.split()[1] for trial in self.recorded}
        doubled = held.intersection(ledger[self.ledger_read :])
        if doubled or max(digests.values(), default=0) > 1 or len(set(announced)) < len(announced):
            raise SystemExit(f"doubled: {doubled or 'a trial'}")
        ok = {t.architecture.digest for t in study.trials if t.evaluation.status == "ok"}
        if ok - set(ledger):
            raise SystemExit(f"recorded but never evaluated: {ok - set(ledger)}")
        self.recorded, self.ledger_read = trials, len(ledger)
        return sum(trial.evaluation.status != "rejected" for trial in study.trials)


def read_study(folder: Path) -> Study:
    from vidnas.evolution import Study

    return Study.read(folder / "study")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=10)
    options = parser.parse_args()
    # Python's resource tracker remarks on what a killed process could not tidy up.
    os.environ["PYTHONWARNINGS"] = "ignore::UserWarning"
    multiprocessing.get_context("forkserver").set_forkserver_preload(
        ["vidnas.evolution.engine", "vidnas.families.tinyvideonet"]
    )
    seed = time.time_ns()
    rng, started_s = random.Random(seed), time.monotonic()
    counts: Counter[str] = Counter()
    for first in range(0, options.kills, KILLS_A_STUDY):
        with tempfile.TemporaryDirectory() as directory:
            torture = Torture(Path(directory), rng)
            kills = min(KILLS_A_STUDY, options.kills - first)
            for kill in range(kills):
                torture.kill(of_driver=kill == kills - 1 or rng.random() < DRIVERS_SHARE)
            torture.finish()
        counts.update(torture.counts)
        killed = counts["drivers killed"] + counts["workers killed"]
        print(f"{killed} kills, none lost, none doubled: {dict(counts)}", flush=True)
    results = {"seed": seed, "seconds": round(time.monotonic() - started_s), **counts}
    print(json.dumps(results, indent=2))
    if options.kills >= 1000:
        RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
