"""What the engine costs per candidate: propose, check the limits, record. Nothing is trained.

A study of 1,000 candidates of the Tiny Video Network space, with limits on parameters and MACs, the
real storage and an evaluator that does nothing.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from vidnas.core import Evaluation
from vidnas.evolution import (
    InlineExecutor,
    Limits,
    Study,
    StudyConfig,
    TournamentEvolution,
    run_search,
)
from vidnas.evolution.engine import Event, _Search
from vidnas.families import Architecture, Space, families

FAMILY = "tinyvideonet"
CANDIDATES = 1000
LIMIT_MS = 100.0


class NullEvaluator:
    """A fitness that depends on the architecture and costs nothing."""

    def evaluate(
        self, architecture: Architecture, seed: int, deadline_s: float | None
    ) -> Evaluation:
        """Evaluate nothing."""
        return Evaluation(status="ok", fitness=seed / 2**32)


def searched_space() -> Space:
    return families()[FAMILY].space(max_size_px=128, max_frames=32)


def searched_config() -> StudyConfig:
    return StudyConfig(
        family=FAMILY,
        space=searched_space().describe(),
        classes=tuple("abcdefgh"),
        data_fingerprint="none",
        limits=Limits.parse(["parameters=2M", "macs=500M"]),
        strategy=TournamentEvolution().describe(),
        training={},
        seed=0,
    )


def timed(step: Callable[..., Any], times_ms: list[float]) -> Callable[..., Any]:
    def run(*args: Any) -> Any:
        started = time.perf_counter()
        try:
            return step(*args)
        finally:
            times_ms.append((time.perf_counter() - started) * 1000)

    return run


def main() -> None:
    space, strategy, config = searched_space(), TournamentEvolution(), searched_config()
    steps: dict[str, list[float]] = {"propose": [], "refuse": [], "record": []}
    for name, times_ms in steps.items():
        setattr(_Search, name, timed(getattr(_Search, name), times_ms))
    ends: list[float] = []

    def note(event: Event) -> None:
        ends.append(time.perf_counter())

    with (
        tempfile.TemporaryDirectory() as folder,
        Study.create_or_resume(Path(folder) / "study", config) as study,
    ):
        last = run_search(
            study,
            space,
            NullEvaluator(),
            strategy,
            InlineExecutor(),
            evaluations=CANDIDATES,
            on_event=note,
        )
    candidates_ms = np.diff(ends[:-1]) * 1000
    median, p90 = np.quantile(candidates_ms, (0.5, 0.9))
    print(f"{len(candidates_ms)} candidates, {last.counts.get('rejected', 0)} of them refused")
    print(f"overhead a candidate: median {median:.1f} ms, p90 {p90:.1f} ms")
    first, final = np.median(candidates_ms[:200]), np.median(candidates_ms[-200:])
    print(f"median of the first 200: {first:.1f} ms, of the last 200: {final:.1f} ms")
    for name, times_ms in steps.items():
        share = sum(times_ms) / candidates_ms.sum()
        print(f"  {name:8} median {np.median(times_ms):6.2f} ms  {share:4.0%} of the time")
    if median >= LIMIT_MS:
        raise SystemExit(f"more than {LIMIT_MS:g} ms a candidate")


if __name__ == "__main__":
    main()
