"""How long finished networks take to be judged, from how long they took on the ladder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from typing_extensions import Self

from vidnas.core.clip import CLIPS_PER_VIDEO
from vidnas.data.cache import ClipCache
from vidnas.evolution.trial import Trial

_PAGE_S = 12.0
"""Allowed for what takes as long however many videos there are: latencies at rest, the page and its
pictures."""
_ASKED_OF_ANSWER = 6
"""How often the answer is asked as much as a test and a validation ask: by its own test, by the
check of its file, which asks torch as well, and with frames shuffled, reversed and frozen."""


@dataclass(frozen=True)
class Judging:
    """The videos on which networks are judged."""

    validation: int
    test: int

    @classmethod
    def of(cls, cache: ClipCache) -> Self:
        """Count the videos of a cache."""
        return cls(len(cache.videos("val")), len(cache.videos("test")))

    def expected_s(self, trials: Sequence[Trial], workers: int) -> float:
        """Return how long it takes to judge these once they are finished, so many at a time, and
        to examine the answer.

        Where several have the same time to be finished, it is taken for a vote of the two fittest.
        """
        fittest = sorted(trials, key=lambda one: one.rank, reverse=True)[: min(workers, 2)]
        answer_s = _ASKED_OF_ANSWER * sum(map(self._once_s, fittest))
        return sum(map(self._once_s, trials)) / workers + answer_s + _PAGE_S

    def _once_s(self, trial: Trial) -> float:
        """Return how long a test and a validation take; on the ladder, there was one clip of each
        validation video."""
        known = (one.metrics.get("validation_s") for one in trial.evaluations)
        # The quickest: beside what else the machine does, it takes longer.
        took_s = min((seconds for seconds in known if seconds is not None), default=0.0)
        clip_s = took_s / max(self.validation, 1)
        return clip_s * (self.validation + CLIPS_PER_VIDEO * self.test)
