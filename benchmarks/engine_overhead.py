"""What the engine costs per candidate: propose, check the limits, record. Nothing is trained.

python -m benchmarks.engine_overhead

A study of 1,000 candidates of the Tiny Video Network space, with limits on parameters and MACs, the
real storage and an evaluator that does nothing.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

import vidnas
from benchmarks.results import options, print_environment, print_table
from benchmarks.searching import space_of
from benchmarks.timing import timed_methods
from vidnas.core import Evaluation
from vidnas.evolution.engine import _Search
from vidnas.evolution.events import Event
from vidnas.evolution.launcher import Launcher
from vidnas.evolution.proposer import Proposer
from vidnas.families import Architecture, Space

CANDIDATES = 1000
LIMIT_MS = 100.0
STEPS: dict[str, tuple[type, str]] = {
    "propose": (Proposer, "propose"),
    "reject": (Launcher, "reject"),
    "record": (_Search, "record"),
}


def evaluate_nothing(architecture: Architecture, seed: int, deadline_s: float | None) -> Evaluation:
    """Return a fitness that depends on the architecture and costs nothing."""
    return Evaluation(status="ok", fitness=seed / 2**32)


def searched_space() -> Space:
    return space_of("tinyvideonet", max_size_px=128, max_frames=32)


def main() -> None:
    options(__doc__).parse_args()
    print_environment()
    ends: list[float] = []

    def note(event: Event) -> None:
        ends.append(time.perf_counter())

    with (
        tempfile.TemporaryDirectory() as folder,
        timed_methods(STEPS, time.perf_counter) as steps_ms,
    ):
        study = vidnas.search(
            searched_space(),
            evaluate_nothing,
            limits=["parameters=2M", "macs=500M"],
            evaluations=CANDIDATES,
            folder=Path(folder) / "study",
            classes=tuple("abcdefgh"),
            on_event=note,
        )
    candidates_ms = np.diff(ends[:-1]) * 1000
    rejected = sum(trial.evaluation.status == "rejected" for trial in study.trials)
    print(f"{len(candidates_ms)} candidates, {rejected} of them rejected")
    median, p90 = np.quantile(candidates_ms, (0.5, 0.9))
    print(f"overhead per candidate: median {median:.1f} ms, p90 {p90:.1f} ms")
    first, final = np.median(candidates_ms[:200]), np.median(candidates_ms[-200:])
    print(f"median of the first 200: {first:.1f} ms, of the last 200: {final:.1f} ms")
    print_table(
        ("step", "median ms", "share of the time"),
        (
            (name, f"{np.median(times_ms):.2f}", f"{sum(times_ms) / candidates_ms.sum():.0%}")
            for name, times_ms in steps_ms.items()
        ),
    )
    if median >= LIMIT_MS:
        raise SystemExit(f"more than {LIMIT_MS:g} ms per candidate")


if __name__ == "__main__":
    main()
