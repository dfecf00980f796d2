"""What a candidate costs early and late in one long study, what grows, how long resuming takes.

The study of `engine_overhead`, only longer and without limits: counting parameters costs the same
for every candidate, and much, so that it would hide what grows. Processor time is compared, because
it stays the same while other programs are busy; beside the wall clock stands that of a fresh study
of the same kind, run right after the long one.

python -m benchmarks.long_study [--candidates 20000]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.engine_overhead import NullEvaluator, searched_config, searched_space
from vidnas.evolution import InlineExecutor, Limits, Study, TournamentEvolution, run_search
from vidnas.evolution.engine import Event, _Search
from vidnas.evolution.study import DATABASE_NAME

RESULTS = Path(__file__).parent / "results" / "long_study.json"
WARM_UP = 100
WINDOW = 500
SETTLED = 1000  # candidates after which what grows is the study and no longer caches
LARGEST_RATIO = 1.5
STEPS = {
    "propose": (_Search, "propose"),
    "record": (Study, "record"),
    "announce": (_Search, "announce"),
}


class Diary:
    """What each candidate of one study cost, and how large the study was when it was recorded."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.wall_ms: list[float] = []
        self.processor_ms: list[float] = []
        self.steps_ms: dict[str, list[float]] = {step: [] for step in STEPS}
        self.disk_bytes: list[int] = []
        self.memory_bytes: list[int] = []
        self._last = time.perf_counter(), time.process_time()

    def note(self, event: Event) -> None:
        """Write down what the candidate just recorded took."""
        now = time.perf_counter(), time.process_time()
        if event.trial is not None:
            self.wall_ms.append((now[0] - self._last[0]) * 1000)
            self.processor_ms.append((now[1] - self._last[1]) * 1000)
            self.disk_bytes.append((self.folder / DATABASE_NAME).stat().st_size)
            self.memory_bytes.append(psutil.Process().memory_info().rss)
        if len(self.wall_ms) % 1000 == 999:
            print(f"{len(self.wall_ms) + 1} candidates", flush=True)
        self._last = time.perf_counter(), time.process_time()

    def medians_ms(self, start: int) -> dict[str, float]:
        """Of a window of candidates, in all and by step."""
        columns = {"wall": self.wall_ms, "processor": self.processor_ms, **self.steps_ms}
        return {
            name: round(float(np.median(column[start : start + WINDOW])), 3)
            for name, column in columns.items()
        }

    def growth_bytes(self, column: list[int]) -> int:
        """Of a candidate."""
        return (column[-1] - column[SETTLED]) // (len(column) - 1 - SETTLED)


def timed(step: Callable[..., Any], times_ms: list[float]) -> Callable[..., Any]:
    @wraps(step)
    def run(*args: Any) -> Any:
        started_s = time.process_time()
        try:
            return step(*args)
        finally:
            times_ms.append((time.process_time() - started_s) * 1000)

    return run


def search(folder: Path, candidates: int) -> Diary:
    """Go on with the study in a folder until it holds so many evaluated candidates."""
    strategy, diary = TournamentEvolution(), Diary(folder)
    config = searched_config().model_copy(update={"limits": Limits()})
    originals = {step: getattr(*place) for step, place in STEPS.items()}
    for step, (owner, name) in STEPS.items():
        setattr(owner, name, timed(originals[step], diary.steps_ms[step]))
    try:
        with Study.create_or_resume(folder, config) as study:
            run_search(
                study,
                searched_space(),
                NullEvaluator(),
                strategy,
                InlineExecutor(),
                evaluations=candidates,
                on_event=diary.note,
            )
    finally:
        for step, (owner, name) in STEPS.items():
            setattr(owner, name, originals[step])
    return diary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--candidates", type=int, default=20_000)
    candidates = parser.parse_args().candidates
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory) / "long"
        long = search(folder, candidates)
        fresh = search(Path(directory) / "fresh", WARM_UP + WINDOW)
        started_s = time.process_time()
        search(folder, candidates)  # it is complete: what is timed is opening and replaying it
        resume_s = time.process_time() - started_s
    early, late = long.medians_ms(WARM_UP), long.medians_ms(len(long.wall_ms) - WINDOW)
    results = {
        "candidates": len(long.wall_ms),
        "early_ms": early,
        "late_ms": late,
        "fresh_ms": fresh.medians_ms(WARM_UP),
        "late_to_early": round(late["processor"] / early["processor"], 2),
        "disk_bytes_a_candidate": long.growth_bytes(long.disk_bytes),
        "memory_bytes_a_candidate": long.growth_bytes(long.memory_bytes),
        "resume_s": round(resume_s, 2),
    }
    print(json.dumps(results, indent=2))
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    if results["late_to_early"] > LARGEST_RATIO:
        raise SystemExit(f"late candidates cost more than {LARGEST_RATIO:g} times early ones")


if __name__ == "__main__":
    main()
