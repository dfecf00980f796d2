"""SIGKILL of a search or of one of its workers at random moments: nothing lost, nothing doubled.

Studies and worker processes are real, on the Tiny Video Network space; only the evaluation is fake.
A worker appends a line to a ledger when its evaluation ends, and the driver one to a log when a
trial is announced. Whenever the driver was killed, and at the end of each study, this must hold:

* nothing lost: what was announced is in the study, and what was in the study is unchanged;
* nothing doubled: no architecture is in the study twice, and no recorded evaluation runs again.

Evaluations in flight when the driver was killed were never recorded: they may run again, and are
counted. So is one in flight when its worker was killed: it is run once more, and recorded as failed
if its worker is killed again.

python -m benchmarks.kill_resume [--kills 1000]
"""

from __future__ import annotations

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

from benchmarks.results import Results, options
from vidnas.core.evaluation import Evaluation
from vidnas.evolution.executors import LocalExecutor

# Workers import this module: importing torch and Optuna here would cost each of them a second.
if TYPE_CHECKING:
    from vidnas.evolution.events import Event

KILLS_PER_STUDY = 50
DRIVERS_SHARE = 0.3  # of the kills; the others hit one worker
EARLY_SHARE = 0.5  # of fresh drivers to be killed: while they open the study and start workers
LONGEST_RUN_S = 0.6
EVALUATION_S = 0.02
WORKERS = 2
PATIENCE_S = 120.0


class SlowNothing:
    """Takes a while, and notes in a ledger that it has ended."""

    def __init__(self, ledger: Path) -> None:
        self.ledger = ledger

    def describe(self) -> dict[str, Any]:
        """Return nothing: there are no settings."""
        return {}

    def evaluate(self, digest: Any, seed: int, deadline_s: float | None) -> Evaluation:
        """Sleep."""
        time.sleep(EVALUATION_S)
        append(self.ledger, digest)
        return Evaluation(status="ok", fitness=seed / 2**32, seconds=EVALUATION_S)


class LightExecutor(LocalExecutor):
    """Sends only an architecture's digest to the worker, which then need not import torch."""

    def submit(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run the function in the next free worker."""
        architecture, *others = args
        return super().submit(function, architecture.digest, *others)


def append(path: Path, line: str) -> None:
    """Add a line in one system call: after a kill it is whole or not there."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{line}\n".encode())
    os.close(descriptor)


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def search(folder: Path, evaluations: int | None) -> None:
    """Resume the study as the driver, up to a number of evaluations or until killed."""
    import vidnas
    from benchmarks.engine_overhead import searched_space

    def announce(event: Event) -> None:
        about = event.trial and f"{event.trial.number} {event.trial.architecture.digest} "
        append(folder / "log", f"{about or ''}{event.kind}")

    with LightExecutor(workers=WORKERS) as executor:
        vidnas.search(
            searched_space(),
            SlowNothing(folder / "ledger"),
            limits=["parameters=2M"],
            evaluations=evaluations,
            budget_s=None if evaluations else 3600,
            folder=folder / "study",
            executor=executor,
            classes=("left", "right"),
            on_event=announce,
        )


class Torture:
    """A study that is killed again and again; `check` compares it with what was seen before."""

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
        """Wait until the search has announced something: it must not stall."""
        before, end = len(lines(self.folder / "log")), time.monotonic() + PATIENCE_S
        while len(lines(self.folder / "log")) == before:
            if time.monotonic() > end:
                raise SystemExit(f"nothing was announced for {PATIENCE_S:g} s")
            time.sleep(0.01)

    def workers(self) -> list[psutil.Process]:
        """Return the workers that run or start, without those that have just died."""
        found = []
        for server in psutil.Process(self.driver.pid).children() if self.driver else []:
            with suppress(psutil.NoSuchProcess):  # zombies, too
                if "forkserver" in " ".join(server.cmdline()):
                    found += server.children()
        return found

    def kill_worker(self) -> None:
        """Kill a random worker."""
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
        if self.driver.exitcode != -signal.SIGKILL:
            raise SystemExit(f"the search ended by itself with code {self.driver.exitcode}")
        self.driver = None
        self.counts["drivers killed"] += 1
        if psutil.wait_procs(workers, timeout=PATIENCE_S)[1]:
            raise SystemExit("workers outlived their driver")

    def finish(self) -> None:
        """Let the search end by itself, after a given number of evaluations."""
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
        """Compare study, log and ledger; return the number of evaluations in the study."""
        log, ledger = lines(self.folder / "log"), lines(self.folder / "ledger")
        if not log:  # killed before there was a study
            return 0
        from vidnas.evolution import Study

        study = Study.read(self.folder / "study")
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


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--kills", type=int, default=10)
    arguments = parser.parse_args()
    results = Results("kill_resume", arguments, keep=arguments.kills >= 1000)
    # Python's resource tracker warns of what a killed process could not tidy up.
    os.environ["PYTHONWARNINGS"] = "ignore::UserWarning"
    multiprocessing.get_context("forkserver").set_forkserver_preload(
        ["benchmarks.engine_overhead", "vidnas.families.tinyvideonet"]
    )
    seed = time.time_ns()
    rng, started_s = random.Random(seed), time.monotonic()
    counts: Counter[str] = Counter()
    for first in range(0, arguments.kills, KILLS_PER_STUDY):
        with tempfile.TemporaryDirectory() as directory:
            torture = Torture(Path(directory), rng)
            kills = min(KILLS_PER_STUDY, arguments.kills - first)
            for kill in range(kills):
                torture.kill(of_driver=kill == kills - 1 or rng.random() < DRIVERS_SHARE)
            torture.finish()
        counts.update(torture.counts)
        killed = counts["drivers killed"] + counts["workers killed"]
        print(f"{killed} kills, none lost, none doubled: {dict(counts)}", flush=True)
    summary = {"seed": seed, "seconds": round(time.monotonic() - started_s), **counts}
    print(json.dumps(summary, indent=2))
    results.finish(**summary)


if __name__ == "__main__":
    main()
