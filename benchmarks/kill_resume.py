"""SIGKILL at random moments of one search, resumed each time: nothing lost, nothing doubled.

A real study and real worker processes on the Tiny Video Network space; only the evaluator is fake,
so that many evaluations fit into a minute. Every line that the search printed before it was killed
must be in the study afterwards.

python -m benchmarks.kill_resume [--kills 10]
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from vidnas.core import Evaluation
from vidnas.evolution import (
    Limits,
    LocalExecutor,
    Study,
    StudyConfig,
    TournamentEvolution,
    run_search,
)
from vidnas.evolution.engine import Event
from vidnas.families import Architecture, families

EVALUATION_S = 0.05
LONGEST_RUN_S = 3.0


class SlowNothing:
    """Takes its time and returns a fitness that depends on the architecture."""

    def evaluate(
        self, architecture: Architecture, seed: int, deadline_s: float | None
    ) -> Evaluation:
        """Sleep."""
        time.sleep(EVALUATION_S)
        return Evaluation(status="ok", fitness=seed / 2**32, seconds=EVALUATION_S)


def announce(event: Event) -> None:
    if event.trial is None:
        print(event.kind, flush=True)
    else:
        print(event.trial.number, event.trial.architecture.digest, event.kind, flush=True)


def search(folder: Path, evaluations: int) -> None:
    family = families()["tinyvideonet"]
    space = family.space(max_size_px=64, max_frames=16)
    strategy = TournamentEvolution()
    config = StudyConfig(
        family=family.name,
        space=space.describe(),
        classes=("left", "right"),
        data_fingerprint="none",
        limits=Limits.parse(["parameters=2M"]),
        strategy=strategy.describe(),
        training={},
        seed=0,
    )
    with Study.create_or_resume(folder, config) as study, LocalExecutor(workers=2) as executor:
        run_search(
            study,
            space,
            SlowNothing(),
            strategy,
            executor,
            evaluations=evaluations,
            on_event=announce,
        )


def run(command: list[str], kill_after: tuple[int, float] | None = None) -> list[str]:
    """Run the search; what it printed.

    Args:
        command: starts or resumes it.
        kill_after: so many lines and then so many seconds; None to let it end.
    """
    # Python's resource tracker remarks on what a killed process could not tidy up.
    quiet = {**os.environ, "PYTHONWARNINGS": "ignore::UserWarning"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=quiet)
    if process.stdout is None:  # for the type checker
        raise RuntimeError("no pipe")
    lines = []
    if kill_after is not None:
        lines = [process.stdout.readline().strip() for _ in range(kill_after[0])]
        time.sleep(kill_after[1])
        process.kill()
    lines += [line.strip() for line in process.stdout]
    # A search that had ended by itself was not killed: its silence would prove nothing.
    expected = 0 if kill_after is None else -signal.SIGKILL
    if process.wait() != expected:
        raise SystemExit(f"the search ended by itself with exit code {process.returncode}")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--evaluations", type=int, default=1000)
    parser.add_argument("--search", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.search:
        search(options.search, options.evaluations)
        return
    rng = random.Random(time.time_ns())
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory) / "study"
        module = ["-m", "benchmarks.kill_resume", "--search", str(folder)]
        command = [sys.executable, *module, "--evaluations", str(options.evaluations)]
        announced: list[str] = []
        for kill in range(options.kills):
            # One in four while it opens the study and starts its workers, the others at work.
            lines, after_s = (0 if kill % 4 == 3 else 2), rng.uniform(0, LONGEST_RUN_S)
            printed = run(command, kill_after=(lines, after_s))
            announced += printed
            check(announced, folder)
            on_disk = Study.read(folder).trials
            print(
                f"kill {kill + 1}, {after_s:.2f} s after line {lines}: {len(printed)} lines, "
                f"{len(on_disk)} trials on disk, none lost, none twice"
            )
        end = count_trained(folder) + 20
        command[-1] = str(end)
        announced += run(command)
        check(announced, folder)
        if announced[-1] != "ended" or count_trained(folder) != end:
            raise SystemExit(f"told to end at {end}, ended at {count_trained(folder)}")
        print(f"ended where it was told to: {end} evaluations, {len(announced)} lines checked")


def check(announced: list[str], folder: Path) -> None:
    trials = Study.read(folder).trials
    found = Counter(f"{t.number} {t.architecture.digest} {t.evaluation.status}" for t in trials)
    finished = [line for line in announced if line and line not in ("started", "ended")]
    lost = [line for line in finished if found[line] != 1]
    digests = Counter(trial.architecture.digest for trial in trials)
    twice = [digest for digest, count in digests.items() if count > 1]
    if lost or twice or len(set(finished)) != len(finished):
        raise SystemExit(f"lost: {lost}; evaluated twice: {twice}")


def count_trained(folder: Path) -> int:
    return sum(trial.evaluation.status != "rejected" for trial in Study.read(folder).trials)


if __name__ == "__main__":
    main()
