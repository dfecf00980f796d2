"""How long finished networks take to be judged, from how long they took on the ladder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from typing_extensions import Self

from vidnas.core.clip import CLIPS_PER_VIDEO
from vidnas.data.cache import ClipCache
from vidnas.deploy.checks import MOST_CHECKED
from vidnas.deploy.voting import sets_within
from vidnas.evolution.clip_evaluator import MOST_VALIDATED
from vidnas.evolution.limits import Limits
from vidnas.evolution.trial import Trial
from vidnas.training.time_use import MOST_REORDERED

_ORDERS = 3
"""Of the frames, in which the answer is asked about videos again."""
_PAGE_S = 12.0
"""Allowed for what takes as long however many videos there are: latencies at rest, the page and its
pictures."""


@dataclass(frozen=True)
class Judging:
    """The videos on which networks are judged."""

    validation: int
    test: int
    limits: Limits = field(default_factory=Limits)
    """Those of the study, which say what may vote."""

    @classmethod
    def of(cls, cache: ClipCache, limits: Limits) -> Self:
        """Count the videos of a cache."""
        return cls(len(cache.videos("val")), len(cache.videos("test")), limits)

    def expected_s(self, trials: Sequence[Trial], workers: int) -> float:
        """Return how long it takes to judge these once they are finished, so many at a time, and
        to examine the answer, which is taken for the slowest that it may be."""
        answers = [(trial,) for trial in trials] + self._votes(trials)
        slowest_s = max((sum(map(self._clip_s, one)) for one in answers), default=0.0)
        return self.finished_s(trials, workers) + self._asked_of_answer * slowest_s + _PAGE_S

    def finished_s(self, trials: Sequence[Trial], workers: int) -> float:
        """Return how long it takes to judge these once they are finished, each by one worker."""
        clips_s = [self._clip_s(trial) for trial in trials]
        return self._asked_when_finished * max(sum(clips_s) / workers, *clips_s, 0.0)

    def _votes(self, trials: Sequence[Trial]) -> list[tuple[Trial, ...]]:
        """Return which of these may answer together."""
        costs = {one.number: cost for one in trials if (cost := one.evaluations[0].cost)}
        return [
            tuple(trials[index] for index in voters)
            for voters in sets_within(self.limits, [costs.get(one.number) for one in trials])
        ]

    @property
    def _asked_when_finished(self) -> int:
        """Clips that a finished network is asked."""
        return CLIPS_PER_VIDEO * (self.validation + self.test)

    @property
    def _asked_of_answer(self) -> int:
        """Clips that the answer is asked: by the check of its file, and with frames shuffled,
        reversed and frozen."""
        checked = min(self.validation, MOST_CHECKED) + min(self.test, MOST_CHECKED)
        return CLIPS_PER_VIDEO * (checked + _ORDERS * min(self.test, MOST_REORDERED))

    def _clip_s(self, trial: Trial) -> float:
        """Return how long a clip takes; on the ladder, there was one of each video."""
        known = (one.metrics.get("validation_s") for one in trial.evaluations)
        # The quickest: beside what else the machine does, it takes longer.
        took_s = min((seconds for seconds in known if seconds is not None), default=0.0)
        return took_s / max(min(self.validation, MOST_VALIDATED), 1)
