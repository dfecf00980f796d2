"""How far a search is: sums over its candidates, and an estimate of what is left."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

from vidnas.evolution.limits import limited
from vidnas.evolution.trial import Trial


@dataclass
class Tally:
    """Sums over the candidates of a search, told of one event after the other.

    Args:
        evaluations: number of evaluated candidates to end at, if one was given.
        budget_s: search time to end at, if one was given.
    """

    evaluations: int | None = None
    budget_s: float | None = None
    counts: Counter[str] = field(default_factory=Counter)
    """Candidates by status."""
    rejections: Counter[str] = field(default_factory=Counter)
    """Rejected candidates by the limit that they broke; "other" where an evaluator names none."""
    nearest: dict[str, Trial] = field(default_factory=dict)
    """Of those, the one that came nearest to the limit, by limit."""
    best: Trial | None = None
    """The greatest by rank, of equals the one that came there first."""
    accepted: bool = False
    """Whether any candidate was ever ok, whatever became of it on higher rungs."""
    _ok: dict[int, Trial] = field(default_factory=dict, init=False)

    def take(self, trial: Trial) -> None:
        """Count a candidate; one that has climbed a rung is counted anew."""
        evaluation = trial.evaluation
        if self._ok.pop(trial.number, None):
            self.counts["ok"] -= 1
        self.counts[evaluation.status] += 1
        if evaluation.status == "rejected":
            self.rejections[evaluation.broken_limit or "other"] += 1
            self._compare(trial)
        if evaluation.status == "ok":
            self.accepted = True
            self._ok[trial.number] = trial
        if self.best is not None and self.best.number == trial.number:
            # What climbs may be less good than it seemed.
            self.best = max(
                self._ok.values(), key=lambda one: (one.rank, -one.number), default=None
            )
        elif evaluation.status == "ok" and (self.best is None or trial.rank > self.best.rank):
            self.best = trial

    def _compare(self, trial: Trial) -> None:
        """Remember a rejected candidate if none came nearer to the limit that it broke."""
        limit = trial.evaluation.broken_limit
        if limit is None:
            return
        before = self.nearest.get(limit)
        if _cost(trial, limit) < (_cost(before, limit) if before else math.inf):
            self.nearest[limit] = trial

    @property
    def evaluated(self) -> int:
        """How many candidates were trained, successfully or not."""
        return self.counts["ok"] + self.counts["failed"]

    def remaining_s(self, elapsed_s: float) -> float | None:
        """Estimate what is left after this search time; None as long as nothing is known."""
        estimates = []
        if self.budget_s is not None:
            estimates.append(max(self.budget_s - elapsed_s, 0.0))
        if self.evaluations is not None and self.evaluated:
            missing = max(self.evaluations - self.evaluated, 0)
            estimates.append(missing * elapsed_s / self.evaluated)
        return min(estimates, default=None)


def _cost(trial: Trial, limit: str) -> float:
    """Return what a candidate costs of what a limit bounds; infinite where it is not known."""
    cost = trial.evaluation.cost
    value = None if cost is None else limited(limit, cost)
    return math.inf if value is None else value


def per_minute(evaluated: int, elapsed_s: float) -> float:
    """Return evaluated candidates by search time."""
    return 60 * evaluated / elapsed_s if elapsed_s else 0.0
