"""Where the core-seconds of a search went."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import accumulate

from typing_extensions import Self

from vidnas.core.value import Value
from vidnas.evolution.trial import Trial

_RECORDING_S = 0.5
"""By so much one climb may seem to begin before the last one of its worker was recorded."""


class Accounting(Value):
    """The core-seconds of a search by use: those of all workers while candidates climbed."""

    workers: int
    """The most that there were: of an earlier part of the search, as many as climbed at once."""
    finished_s: float
    """Training, with its validation, of candidates that ended as finished networks."""
    training_s: float
    """Training, with its validation, of all others, those that failed included."""
    besides_s: float
    """Measuring costs; loading clips and states, and writing these."""
    idle_s: float
    """Nothing was climbing: starting workers, deciding, recording, and waiting for the end; or
    there were fewer workers for a while."""

    @classmethod
    def of(
        cls, history: Sequence[Trial], finished: Collection[int], workers: int, search_s: float
    ) -> Self:
        """Count what a search did.

        Args:
            history: of its study: each trial as it was after each event.
            finished: numbers of the candidates that ended as finished networks.
            workers: how many candidates climbed at the same time, when it was last resumed.
            search_s: the time of the search.
        """
        workers = max(workers, most_at_once(history))
        finished_s = training_s = worked_s = 0.0
        for trial in history:
            trained_s = _training_s(trial)
            if trial.number in finished:
                finished_s += trained_s
            else:
                training_s += trained_s
            worked_s += trial.evaluation.seconds
        return cls(
            workers=workers,
            finished_s=finished_s,
            training_s=training_s,
            besides_s=worked_s - finished_s - training_s,
            idle_s=max(workers * search_s - worked_s, 0.0),
        )

    @property
    def total_s(self) -> float:
        """All core-seconds of the search."""
        return self.finished_s + self.training_s + self.besides_s + self.idle_s

    @property
    def uses(self) -> dict[str, float]:
        """The core-seconds by use, in words."""
        return {
            "training of networks that were finished": self.finished_s,
            "training of other candidates": self.training_s,
            "measuring, loading and saving": self.besides_s,
            "idle": self.idle_s,
        }


def most_at_once(history: Sequence[Trial]) -> int:
    """Return how many candidates climbed at the same time at most, as far as it follows from when
    each evaluation was recorded and how long it took."""
    changes: list[tuple[float, int]] = []
    for trial in history:
        began_s = max(trial.elapsed_s - trial.evaluation.seconds, 0.0) + _RECORDING_S
        if began_s < trial.elapsed_s:
            changes += [(began_s, 1), (trial.elapsed_s, -1)]
    return max(accumulate(change for _, change in sorted(changes)), default=0)


def _training_s(trial: Trial) -> float:
    """Return how long the latest climb of a trial trained; one that failed did nothing else, as far
    as anybody knows."""
    evaluation = trial.evaluation
    asked_s = evaluation.seconds if evaluation.status == "failed" else 0.0
    # A climb that was killed and resumed trained for longer than its latest attempt took.
    return min(evaluation.metrics.get("training_s", asked_s), evaluation.seconds)
