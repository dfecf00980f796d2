"""Runs of a network, each timed beside one of a reference network, and what they amount to.

Of what a clock shows, some is the network and some the machine: other processes take the core, the
caches, memory bandwidth and clock. The reference network runs right before and feels the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

ENOUGH_S = 3.0
FEWEST = 10
SETTLED_S, MOST_UNTIMED = 0.004, 4
"""Until the caches are warm: time and runs, whichever ends first. A network of 1 ms reads 15 % too
slow after one run, one of 5 ms 1 % (`benchmarks/cold_caches.py`)."""

Run = Callable[[], object]
Clock = Callable[[], float]


class Times(NamedTuple):
    """What one run took."""

    wall_ms: float
    cpu_ms: float | None
    """CPU time of the calling thread; None where other threads or chips take part."""

    @property
    def own_ms(self) -> float:
        """The time without that in which another process had the core, where this is known."""
        return self.wall_ms if self.cpu_ms is None else self.cpu_ms


@dataclass(frozen=True)
class Stopwatch:
    """Times runs. One thread is the calling thread in every runtime: its CPU time is the run's."""

    one_thread: bool
    wall: Clock = time.perf_counter
    cpu: Clock = time.thread_time

    def once(self, run: Run) -> Times:
        """Time a run."""
        wall_s, cpu_s = self.wall(), self.cpu()
        run()
        cpu_s, wall_s = self.cpu() - cpu_s, self.wall() - wall_s
        return Times(wall_s * 1000, cpu_s * 1000 if self.one_thread else None)

    def now_s(self) -> float:
        """Return the time by the clock that tells: of several threads, the wall's."""
        return self.cpu() if self.one_thread else self.wall()

    def warm(self, run: Run) -> Times:
        """Time a run after untimed ones, which fill the caches with what it needs."""
        start_s = self.now_s()
        for _ in range(MOST_UNTIMED):
            run()
            if self.now_s() - start_s >= SETTLED_S:
                break
        return self.once(run)


class Pair(NamedTuple):
    """A run, and one of the reference network before it."""

    own: Times
    beside: Times | None
    """None without a reference network."""

    @property
    def ratio(self) -> float:
        """The time over that of the reference network; without one, the time in ms."""
        return self.own.own_ms / (self.beside.own_ms if self.beside else 1.0)


@dataclass
class Series:
    """The runs of one network so far."""

    run: Run
    watch: Stopwatch
    reference: Run | None = None
    warmup: int = 3
    repeats: int = 60
    give_up: float | None = None
    """A ratio; the series ends early once the network is clearly slower: the fastest of the first n
    runs is `1 + 2 / n` times above it."""
    pairs: list[Pair] = field(default_factory=list, init=False)
    """Those of the warm-up come first."""
    _spent_s: float = field(default=0.0, init=False)

    @property
    def ended(self) -> bool:
        """Whether no more runs are needed."""
        n = len(self.pairs)
        if n >= self.warmup + self.repeats:
            return True
        return n >= self.warmup + FEWEST and self.reference is not None and self._spent_s > ENOUGH_S

    def sample(self) -> None:
        """Time one more run."""
        start_s = self.watch.now_s()
        beside = None if self.reference is None else self.watch.warm(self.reference)
        self.pairs.append(Pair(self.watch.warm(self.run), beside))
        self._spent_s += self.watch.now_s() - start_s
        n = len(self.pairs)
        # The first run is cold, and says little.
        fastest = min(pair.ratio for pair in self.pairs)
        if self.give_up is not None and n > 1 and fastest > self.give_up * (1 + 2 / n):
            self.warmup = min(self.warmup, n - 1)
            self.repeats = n - self.warmup

    def take(self) -> Series:
        """Time runs until there are enough."""
        while not self.ended:
            self.sample()
        return self

    @property
    def counted(self) -> list[Pair]:
        """The pairs after the warm-up."""
        return self.pairs[self.warmup :]

    @property
    def ratios(self) -> NDArray[np.float64]:
        """The ratio of each pair that counts."""
        return np.array([pair.ratio for pair in self.counted])
