"""What a candidate costs early and late in one long study, what grows, how long resuming takes.

The study of `engine_overhead`, but longer and without limits: counting parameters costs as much for
every candidate, so that it would hide what grows. Processor time is compared, because it hardly
changes while other programs are busy; beside the wall times are those of a fresh study of the same
kind, run right after the long one.

python -m benchmarks.long_study [--candidates 20000]
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

import vidnas
from benchmarks.engine_overhead import evaluate_nothing, searched_space
from benchmarks.results import Results, options
from benchmarks.timing import timed_methods
from vidnas.evolution import Study
from vidnas.evolution.engine import _Search
from vidnas.evolution.events import Event
from vidnas.evolution.proposer import Proposer
from vidnas.evolution.storage import DATABASE_NAME

WARM_UP = 100
WINDOW = 500
SETTLED = 1000  # candidates after which what grows is the study and no longer caches
LARGEST_RATIO = 1.5
STEPS = {
    "propose": (Proposer, "propose"),
    "record": (Study, "record"),
    "announce": (_Search, "announce"),
}


class Diary:
    """What each candidate of a study cost, and how large the study was when it was recorded."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.wall_ms: list[float] = []
        self.processor_ms: list[float] = []
        self.steps_ms: dict[str, list[float]] = {}
        self.disk_bytes: list[int] = []
        self.memory_bytes: list[int] = []
        self._last = time.perf_counter(), time.process_time()

    def note(self, event: Event) -> None:
        """Note the cost of the candidate that was just recorded."""
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
        """Return the medians of a window of candidates, in all and by step."""
        columns = {"wall": self.wall_ms, "processor": self.processor_ms, **self.steps_ms}
        return {
            name: round(float(np.median(column[start : start + WINDOW])), 3)
            for name, column in columns.items()
        }

    def growth_bytes(self, column: list[int]) -> int:
        """Return the growth per candidate."""
        return (column[-1] - column[SETTLED]) // (len(column) - 1 - SETTLED)


def search(folder: Path, candidates: int) -> Diary:
    """Resume the study in a folder until it holds so many evaluated candidates."""
    diary = Diary(folder)
    with timed_methods(STEPS, time.process_time) as diary.steps_ms:
        vidnas.search(
            searched_space(),
            evaluate_nothing,
            evaluations=candidates,
            folder=folder,
            on_event=diary.note,
        )
    return diary


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--candidates", type=int, default=20_000)
    arguments = parser.parse_args()
    candidates, results = arguments.candidates, Results("long_study", arguments)
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory) / "long"
        long = search(folder, candidates)
        fresh = search(Path(directory) / "fresh", WARM_UP + WINDOW)
        started_s = time.process_time()
        search(folder, candidates)  # it is complete: this only opens and replays it
        resume_s = time.process_time() - started_s
    early, late = long.medians_ms(WARM_UP), long.medians_ms(len(long.wall_ms) - WINDOW)
    summary: dict[str, Any] = {
        "candidates": len(long.wall_ms),
        "early_ms": early,
        "late_ms": late,
        "fresh_ms": fresh.medians_ms(WARM_UP),
        "late_to_early": round(late["processor"] / early["processor"], 2),
        "disk_bytes_per_candidate": long.growth_bytes(long.disk_bytes),
        "memory_bytes_per_candidate": long.growth_bytes(long.memory_bytes),
        "resume_s": round(resume_s, 2),
    }
    print(json.dumps(summary, indent=2))
    results.finish(**summary)
    if summary["late_to_early"] > LARGEST_RATIO:
        raise SystemExit(f"late candidates cost more than {LARGEST_RATIO:g} times early ones")


if __name__ == "__main__":
    main()
