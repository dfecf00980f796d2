"""The rule of who climbs: asynchronous successive halving with resuming, among all candidates and
in each niche.

Li et al., A System for Massively Parallel Hyperparameter Tuning, MLSys 2020 (arXiv 1810.05934),
algorithm 2. Places on a rung are reserved for the niches of the limited cost: small networks learn
sooner, and would take them all. The best of all climb as well, however few have come as far in
their niche: they are what the search is for.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Set
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
    """One rung, of one niche or of all."""

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
        self._rungs: defaultdict[tuple[int | None, int], _Rung] = defaultdict(_Rung)
        """By niche, None for all candidates, and rung."""
        self._paused: dict[int, Trial] = {}
        """By number."""

    def observe(self, trial: Trial) -> None:
        """Take a candidate to the rung that it climbed, or off the ladder."""
        before = self._paused.pop(trial.number, None)
        for group in (self._niches.niche_of(trial), None):
            if before is not None:
                paused = self._rungs[group, before.rung].paused
                del paused[bisect_left(paused, _place(before))]
            if trial.evaluation.status == "ok":
                rung = self._rungs[group, trial.rung]
                insort(rung.reached, _place(trial))
                if trial.rung < self.top:
                    insort(rung.paused, _place(trial))
        if trial.evaluation.status == "ok" and trial.rung < self.top:
            self._paused[trial.number] = trial

    def earned(self, busy: Set[int]) -> list[Trial]:
        """Return who has earned a rung, the first to climb first.

        That is the one on the highest rung, of equals the fittest, of equals the oldest. Of those
        in the same niche on the same rung, only the fittest is named; it has earned a rung where
        it is among the best third of its niche there, or of all candidates.

        Args:
            busy: numbers of the candidates that are climbing.
        """
        heads = self._heads(busy).items()
        earned = [
            one
            for (niche, at), one in heads
            if any(self._rungs[group, at].has_earned(_place(one)) for group in (niche, None))
        ]
        return sorted(earned, key=lambda one: (-one.rung, *_place(one)))

    def leaders(self, busy: Set[int]) -> list[Trial]:
        """Return who goes on, earned or not, where no time is left for newborns.

        First come those whose niche has nobody better that is climbing or at the top, so that the
        search ends with a good candidate in each niche; of equals the better. Named as in `earned`.
        """
        taken = self._taken(busy)

        def order(one: Trial) -> tuple[bool, _Place]:
            best = taken.get(self._niches.niche_of(one))
            return best is not None and best > one.fitness, _place(one)

        return sorted(self._heads(busy).values(), key=order)

    def _heads(self, busy: Set[int]) -> dict[tuple[int, int], Trial]:
        """Return the fittest of each niche and rung that may climb and is not climbing."""
        heads = {}
        for (niche, at), rung in self._rungs.items():
            waiting = (number for _, number in rung.paused if number not in busy)
            if niche is not None and (number := next(waiting, None)) is not None:
                heads[niche, at] = self._paused[number]
        return heads

    def _taken(self, busy: Set[int]) -> dict[int, float]:
        """Return the fitness of the best of each niche that is climbing or at the top."""
        found = [
            (niche, -rung.reached[0][0])
            for (niche, at), rung in self._rungs.items()
            if niche is not None and at >= self.top
        ]
        climbing = [trial for number in busy if (trial := self._paused.get(number))]
        found += [(self._niches.niche_of(trial), trial.fitness) for trial in climbing]
        taken: dict[int, float] = {}
        for niche, fitness in found:
            taken[niche] = max(taken.get(niche, fitness), fitness)
        return taken


def _place(trial: Trial) -> _Place:
    return -trial.fitness, trial.number
