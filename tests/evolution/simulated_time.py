"""Searches in simulated time: workers that take as long as their rung does, without waiting."""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import FIRST_COMPLETED, Future
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from search_toys import ToyEvaluator

from vidnas.core import Evaluation
from vidnas.families import Architecture

FIRST_RUNG_S = 10.0
RUNGS = 3


@dataclass(frozen=True)
class TimedLadder:
    """Every rung takes exactly as long as it is said to."""

    rungs: int = RUNGS
    rung: int = 0

    def describe(self) -> dict[str, Any]:
        return {}

    def at_rung(self, rung: int) -> TimedLadder:
        return replace(self, rung=rung)

    def seconds_at(self, rung: int) -> float | None:
        return FIRST_RUNG_S * 3**rung

    def evaluate(
        self, architecture: Architecture, seed: int, deadline_s: float | None
    ) -> Evaluation:
        return ToyEvaluator().evaluate(architecture, seed, deadline_s)


@dataclass(frozen=True)
class Run:
    """Something that a worker does."""

    architecture: Architecture
    rung: int
    end_s: float
    future: Future[Any]
    call: Callable[[], Any]


class SimulatedWorkers:
    """An executor, and the clock that the engine reads and waits by."""

    def __init__(self, slots: int, started: Callable[[Run, Collection[Run]], None]) -> None:
        self.slots = slots
        self.now_s = 0.0
        self._started = started
        self._running: list[Run] = []

    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """Take a method of a `TimedLadder`; tell what starts, and what is running."""
        ladder: TimedLadder = function.__self__  # type: ignore[attr-defined]
        end_s = self.now_s + (ladder.seconds_at(ladder.rung) or 0.0)
        run = Run(args[0], ladder.rung, end_s, Future(), partial(function, *args))
        self._started(run, tuple(self._running))
        self._running.append(run)
        return run.future

    def wait(self, _: Collection[Future[Any]], timeout: float, return_when: str) -> None:
        """Let time pass until the first run ends, in the place of `concurrent.futures.wait`."""
        assert return_when == FIRST_COMPLETED
        if timeout and self._running:
            first = min(self._running, key=lambda run: run.end_s)
            self._running.remove(first)
            self.now_s = first.end_s
            first.future.set_result(first.call())

    def monotonic(self) -> float:
        """Return the time, in the place of `time.monotonic`."""
        return self.now_s

    def shutdown(self) -> None:
        """Do nothing: nothing runs any more."""
