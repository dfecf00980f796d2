"""The rule of who climbs: asynchronous successive halving with resuming, in each niche.

Li et al., A System for Massively Parallel Hyperparameter Tuning, MLSys 2020 (arXiv 1810.05934),
algorithm 2. Places on a rung are reserved for the niches of the limited cost: small networks learn
sooner, and would take them all.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterator, Set
from dataclasses import dataclass, field

from vidnas.evolution.niches import Niches
from vidnas.evolution.trial import Trial

ETA = 3
"""One of so many climbs on. Where each rung trains three times as long as the one below, all rungs
together take about the same time; Hyperband's authors suggest 3 or 4 (arXiv 1603.06560)."""

_Place = tuple[float, int]
"""The fitness, negated, and the number: what sorts the candidates of a rung, the best first."""


@dataclass
class _Rung:
    """One rung in one niche."""

    reached: list[_Place] = field(default_factory=list)
    """All that were ok here, also those that went on."""
    paused: list[_Place] = field(default_factory=list)
    """Those that wait here and may climb."""

    def has_earned(self, place: _Place) -> bool:
        """Return whether the candidate is among the best third of those that came here."""
        return bisect_left(self.reached, place) < len(self.reached) // ETA


class Ladder:
    """The standings on all rungs, which follow from the events of a search in their order.

    Args:
        rungs: how many there are.
        niches: where places are reserved.
    """

    def __init__(self, rungs: int, niches: Niches) -> None:
        self.top = rungs - 1
        self._niches = niches
        self._rungs: defaultdict[tuple[int, int], _Rung] = defaultdict(_Rung)
        """By niche and rung."""
        self._paused: dict[int, Trial] = {}
        """By number."""

    def observe(self, trial: Trial) -> None:
        """Take a candidate to the rung that it climbed, or off the ladder."""
        niche = self._niches.niche_of(trial)
        if (before := self._paused.pop(trial.number, None)) is not None:
            paused = self._rungs[niche, before.rung].paused
            del paused[bisect_left(paused, _place(before))]
        if trial.evaluation.status != "ok":
            return
        rung = self._rungs[niche, trial.rung]
        insort(rung.reached, _place(trial))
        if trial.rung < self.top:
            insort(rung.paused, _place(trial))
            self._paused[trial.number] = trial

    def earned(self, busy: Set[int]) -> list[Trial]:
        """Return who has earned a rung, the first to climb first.

        That is the one on the highest rung, of equals the fittest, of equals the oldest. Of those
        in the same niche on the same rung, only the fittest is named.

        Args:
            busy: numbers of the candidates that are climbing.
        """
        heads = [one for rung, one in self._heads(busy) if rung.has_earned(_place(one))]
        return sorted(heads, key=_best_first)

    def leaders(self, busy: Set[int]) -> list[Trial]:
        """Return who goes on, earned or not, where no time is left for newborns.

        First come those whose niche has nobody better that is climbing or at the top, so that the
        search ends with a good candidate in each niche; of equals the better. Named as in `earned`.
        """
        taken = self._taken(busy)
        heads = [one for _, one in self._heads(busy)]

        def order(one: Trial) -> tuple[bool, tuple[int, float, int]]:
            best = taken.get(self._niches.niche_of(one))
            return best is not None and best > one.rank, _best_first(one)

        return sorted(heads, key=order)

    def _heads(self, busy: Set[int]) -> Iterator[tuple[_Rung, Trial]]:
        """Yield the fittest of each niche and rung that may climb and is not climbing."""
        for rung in self._rungs.values():
            waiting = (number for _, number in rung.paused if number not in busy)
            if (number := next(waiting, None)) is not None:
                yield rung, self._paused[number]

    def _taken(self, busy: Set[int]) -> dict[int, tuple[int, float]]:
        """Return the rank of the best of each niche that is climbing or at the top."""
        ranks = [
            (niche, (at, -rung.reached[0][0]))
            for (niche, at), rung in self._rungs.items()
            if at >= self.top
        ]
        climbing = [trial for number in busy if (trial := self._paused.get(number))]
        ranks += [(self._niches.niche_of(trial), trial.rank) for trial in climbing]
        taken: dict[int, tuple[int, float]] = {}
        for niche, rank in ranks:
            taken[niche] = max(taken.get(niche, rank), rank)
        return taken


def _place(trial: Trial) -> _Place:
    return -trial.fitness, trial.number


def _best_first(trial: Trial) -> tuple[int, float, int]:
    return -trial.rung, -trial.fitness, trial.number
