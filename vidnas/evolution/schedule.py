"""What a free worker does next: a candidate climbs a rung, or one is born on the lowest."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Set
from dataclasses import dataclass, replace

from vidnas.evolution.ladder import Ladder
from vidnas.evolution.niches import Niches
from vidnas.evolution.tally import Tally
from vidnas.evolution.trial import Trial

_SLACK = 1.2
"""How much longer a rung may take than the one below, in proportion."""


@dataclass(frozen=True)
class SearchTime:
    """The time of a search, over all resumptions, and how much of it rungs take."""

    budget_s: float | None
    """None where there is no end."""
    seconds_at: Callable[[int], float | None]
    """The most that climbing a rung takes; None where nobody knows."""

    def has_room_for(self, elapsed_s: float, *rungs: int) -> bool:
        """Return whether these rungs, climbed one after the other from now on, end in time, as far
        as anybody knows."""
        return self._holds(elapsed_s, sum(self.seconds_at(rung) or 0.0 for rung in rungs))

    def has_room_to_climb(self, elapsed_s: float, one: Trial) -> bool:
        """Return whether a candidate reaches the next rung in time if it starts now.

        Rungs end by epochs or by time: one that took less time than it might have takes less of the
        next rung, too.
        """
        most_s, before_s = (self.seconds_at(rung) or 0.0 for rung in (one.rung + 1, one.rung))
        last = one.evaluation
        # A climb that was killed and resumed trained for longer than its latest attempt took.
        took_s = max(last.seconds, last.metrics.get("training_s", 0.0))
        share = _SLACK * took_s / before_s if took_s and before_s else 1.0
        return self._holds(elapsed_s, min(share, 1.0) * most_s)

    def _holds(self, elapsed_s: float, needed_s: float) -> bool:
        if self.budget_s is None:
            return True
        return elapsed_s < self.budget_s and elapsed_s + needed_s <= self.budget_s


class Schedule:
    """What the events that it has observed, and the time, let a worker do.

    Args:
        rungs: how many the ladder has.
        niches: where places on the ladder are reserved.
        evaluations: number of evaluated candidates after which none is born; None for any.
        time: in which all must end.
    """

    def __init__(
        self,
        rungs: int,
        niches: Niches,
        evaluations: int | None,
        time: SearchTime,
    ) -> None:
        self._rungs = rungs
        self._ladder = Ladder(rungs, niches)
        self._tally = Tally()
        self._evaluations = math.inf if evaluations is None else evaluations
        self._time = time
        self._started: Counter[int | None] = Counter()
        """What was started and not observed, by number; newborns have none."""

    def start(self, number: int | None) -> None:
        """Take it that a candidate of this number climbs, or that one is born."""
        self._started[number] += 1

    def observe(self, trial: Trial) -> None:
        """Take the event that something started came to."""
        number = trial.number if trial.earlier else None
        self._started[number] -= 1
        if not self._started[number]:
            del self._started[number]
        self._tally.take(trial)
        self._ladder.observe(trial)

    def climber(self, elapsed_s: float) -> Trial | None:
        """Return the first that has earned a rung and can climb it in time."""
        return self._first_in_time(self._ladder.earned(self._busy), elapsed_s, self._time)

    def leader(self, elapsed_s: float, until_s: float = math.inf) -> Trial | None:
        """Return the first that can climb in time, earned or not, rather than let a worker idle;
        nobody where it is not time that ends the search.

        Args:
            elapsed_s: time of the search.
            until_s: by when it must have climbed.
        """
        if self._time.budget_s is None:
            return None
        leaders = self._ladder.leaders(self._busy)
        return self._first_in_time(leaders, elapsed_s, self._until(until_s))

    def is_late(self, elapsed_s: float) -> bool:
        """Return whether a newborn could not climb a further rung in time."""
        return not self._time.has_room_for(elapsed_s, *range(min(self._rungs, 2)))

    def can_be_born(self, elapsed_s: float, until_s: float) -> bool:
        """Return whether a newborn could reach the lowest rung in time, and by then."""
        return self._until(until_s).has_room_for(elapsed_s, 0)

    def is_complete(self) -> bool:
        """Return whether as many were born as were asked for, if none of them is rejected."""
        return self._tally.evaluated + self._started[None] >= self._evaluations

    def _until(self, until_s: float) -> SearchTime:
        """Return the time that ends by then at the latest."""
        return replace(self._time, budget_s=min(self._time.budget_s or math.inf, until_s))

    @property
    def _busy(self) -> Set[int]:
        return {number for number in self._started if number is not None}

    @staticmethod
    def _first_in_time(trials: list[Trial], elapsed_s: float, time: SearchTime) -> Trial | None:
        return next((one for one in trials if time.has_room_to_climb(elapsed_s, one)), None)
