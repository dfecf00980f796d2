"""What a model sees along the time of a video: scores, smoothed, and the events that they make."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

_ROUNDING_S = 1e-6

Scores = NDArray[np.float64]
"""One row per answer and one column per class."""


@dataclass(frozen=True)
class Event:
    """A time during which the smoothed score of a class keeps a threshold."""

    name: str
    start_s: float
    end_s: float
    score: float
    """The mean score over this time."""


@dataclass(frozen=True)
class Timeline:
    """The smoothed scores of a video along its time, and the events in it."""

    classes: tuple[str, ...]
    times_s: NDArray[np.float64]
    """The middle of the window that each answer is about, `(answers,)`."""
    scores: Scores
    """Smoothed, `(answers, classes)`."""
    duration_s: float
    window_s: float
    """How much of the video one answer sees."""
    smoothing_s: float
    threshold: float

    @cached_property
    def events(self) -> list[Event]:
        """The events in the order in which they begin."""
        tracker = EventTracker(self.classes, self.threshold)
        found = []
        for (start_s, end_s), row in zip(self._spans(), self.scores, strict=True):
            found += tracker.add(start_s, end_s, row)
        return sorted([*found, *tracker.end()], key=lambda event: (event.start_s, -event.score))

    def _spans(self) -> Iterator[tuple[float, float]]:
        """Yield the time that each answer stands for: from halfway to the one before it to halfway
        to the one after it."""
        between = (self.times_s[1:] + self.times_s[:-1]) / 2
        edges = [0.0, *between.tolist(), self.duration_s]
        return pairwise(edges)


@dataclass
class EventTracker:
    """Turns scores into events as they come."""

    classes: Sequence[str]
    threshold: float
    _running: dict[int, _Running] = field(default_factory=dict)

    def add(self, start_s: float, end_s: float, scores: Scores) -> list[Event]:
        """Take the scores of a time, `(classes,)`; return the events that end where it starts."""
        reaching = set(np.flatnonzero(scores >= self.threshold).tolist())
        ended = [self._close(index) for index in sorted(self._running.keys() - reaching)]
        for index in sorted(reaching):
            running = self._running.setdefault(index, _Running(start_s))
            running.end_s = end_s
            running.scores_s += float(scores[index]) * (end_s - start_s)
        return ended

    def end(self) -> list[Event]:
        """Return the events that are still going on, which end here."""
        return [self._close(index) for index in sorted(self._running)]

    def _close(self, index: int) -> Event:
        running = self._running.pop(index)
        lasted_s = running.end_s - running.start_s
        mean = running.scores_s / lasted_s if lasted_s > 0 else self.threshold
        return Event(self.classes[index], running.start_s, running.end_s, mean)


@dataclass
class _Running:
    start_s: float
    end_s: float = 0.0
    scores_s: float = 0.0
    """The scores, each times how long it lasted."""


class Smoothing:
    """The mean of the scores of the last seconds, as they come."""

    def __init__(self, smoothing_s: float) -> None:
        self._smoothing_s = smoothing_s
        self._recent: deque[tuple[float, Scores]] = deque()

    def __call__(self, time_s: float, scores: Scores) -> Scores:
        """Take the scores of a time, `(classes,)`; return the mean."""
        self._recent.append((time_s, scores))
        while time_s - self._recent[0][0] > self._smoothing_s:
            self._recent.popleft()
        mean: Scores = np.mean([row for _, row in self._recent], axis=0)
        return mean


def smoothed(times_s: NDArray[np.float64], scores: Scores, smoothing_s: float) -> Scores:
    """Return the mean of the scores around each time, over so many seconds."""
    first = np.searchsorted(times_s, times_s - smoothing_s / 2 - _ROUNDING_S, side="left")
    last = np.searchsorted(times_s, times_s + smoothing_s / 2 + _ROUNDING_S, side="right")
    sums = np.cumsum(np.vstack([np.zeros_like(scores[:1]), scores]), axis=0)
    mean: Scores = (sums[last] - sums[first]) / (last - first)[:, None]
    return mean
