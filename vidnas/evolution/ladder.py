"""The rule of who climbs: asynchronous successive halving with resuming, among all candidates and
in each group.

Li et al., A System for Massively Parallel Hyperparameter Tuning, MLSys 2020 (arXiv 1810.05934),
algorithm 2. Places on a rung are reserved for groups, since what learns soonest would take them
all: the niches of the limited cost, and both ways to normalise clips, one of which often learns
sooner and the other ends higher. The same design in both ways is the fairest comparison: the twin
of the front-runner climbs beside it. The best of all climb as well, however few have come as far in
their group: they are what the search is for. Those that have hardly learned anything yet climb in
the order of their birth, in which designs are the first.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Set
from dataclasses import dataclass, field

from vidnas.evolution.niches import Niches
from vidnas.evolution.pairs import Pairs
from vidnas.evolution.trial import FLOOR, Trial

ETA = 3
"""One of so many climbs on. Where each rung trains three times as long as the one below, all rungs
together take about the same time; Hyperband's authors suggest 3 or 4 (arXiv 1603.06560)."""

_KEEPING_UP = 0.5
"""Share of the others' fitness below which a way to normalise clips is given up."""
_HEIR = 0.5
"""Share of its parameters from which on a child that inherited is compared with its parent."""
_Group = tuple[str, int]
"""What candidates have in common, and its value."""
_Place = tuple[float, int]
"""The standing, negated, and the number: what sorts the candidates of a rung, the best first."""


@dataclass
class _Rung:
    """One rung, of one group."""

    reached: list[_Place] = field(default_factory=list)
    """All that were ok here, also those that went on; those that are held are the last."""
    paused: list[_Place] = field(default_factory=list)
    """Those that wait here and may climb."""

    def has_earned(self, place: _Place) -> bool:
        """Return whether the candidate is among the best third of those that came here."""
        return bisect_left(self.reached, place) < len(self.reached) // ETA


class Ladder:
    """The standings on all rungs, which follow from the events of a search in their order.

    Args:
        rungs: how many there are.
        niches: of the limited cost, where places are reserved.
    """

    def __init__(self, rungs: int, niches: Niches) -> None:
        self.top = rungs - 1
        self._niches = niches
        self._pairs = Pairs()
        self._front_runner: Trial | None = None
        """The best on the highest rung that anybody reached."""
        self._rungs: defaultdict[tuple[_Group, int], _Rung] = defaultdict(_Rung)
        """By group and rung."""
        self._paused: dict[int, Trial] = {}
        """By number."""
        self._hurdles: dict[int, float] = {}
        """What a child that inherited has to reach, by number."""
        self._fitness: dict[int, float] = {}
        """Of all that were ok, where they stand, by number."""
        self._held: set[int] = set()
        """Numbers of those that are not as fit as their hurdle asks."""

    def observe(self, trial: Trial) -> None:
        """Take a candidate to the rung that it climbed, or off the ladder."""
        before = self._paused.pop(trial.number, None)
        self._hold(trial)
        self._pairs.observe(trial)
        if trial.evaluation.status == "ok" and _height(trial) > _height(self._front_runner):
            self._front_runner = trial
        for group in self._groups_of(trial):
            if before is not None:
                paused = self._rungs[group, before.rung].paused
                del paused[bisect_left(paused, _place(before))]
            if trial.evaluation.status == "ok":
                rung = self._rungs[group, trial.rung]
                held = trial.number in self._held
                insort(rung.reached, (math.inf, trial.number) if held else _place(trial))
                if trial.rung < self.top:
                    insort(rung.paused, _place(trial))
        if trial.evaluation.status == "ok" and trial.rung < self.top:
            self._paused[trial.number] = trial

    def earned(self, busy: Set[int]) -> list[Trial]:
        """Return who has earned a rung, the first to climb first.

        That is the one on the highest rung, of equals the twin of what the front-runner comes from,
        else the fittest, of equals the oldest. Of those in the same group on the same rung, only
        the fittest and the twin are named; a candidate has earned a rung where it is among the best
        third of one of its groups there, keeps up with the other way to normalise clips, or is the
        twin.

        Args:
            busy: numbers of the candidates that are climbing.
        """
        twin = self._twin(busy)
        earned = {
            one.number: one
            for one in self._heads(busy | self._held)
            if any(
                self._rungs[group, one.rung].has_earned(_place(one))
                for group in self._groups_of(one)
            )
            or self._keeps_up(one, twin, busy)
        }
        if twin is not None and twin.number not in busy:
            earned[twin.number] = twin
        return sorted(earned.values(), key=lambda one: (-one.rung, one != twin, *_place(one)))

    def _twin(self, busy: Set[int]) -> Trial | None:
        """Return the design that climbs as high as the front-runner, which comes from its twin, and
        beside it: where it learns later than smaller ones, nothing else would compare the two."""
        first = self._front_runner
        if first is None:
            return None
        rung = first.rung + (first.number in busy)
        twin = self._pairs.other_way(first, rung)
        return None if twin is None or twin.rung >= rung else self._paused[twin.number]

    def _hold(self, trial: Trial) -> None:
        """Hold a child back that began with most of what its parent had learned, has climbed a rung
        since, and is still less fit than its parent was when the child was first judged.

        On low rungs such children are ahead of all that began at random, whatever they are worth,
        and would take every place. The lowest rung alone is too short for what is new in them.
        """
        parent, evaluation = trial.proposal.parent, trial.evaluation
        share = evaluation.metrics.get("inherited") or 0.0
        if not trial.earlier and parent is not None and share >= _HEIR:
            self._hurdles[trial.number] = self._fitness.get(parent, -math.inf)
        if evaluation.status == "ok":
            self._fitness[trial.number] = trial.fitness
        behind = trial.fitness < self._hurdles.get(trial.number, -math.inf)
        if behind and 0 < trial.rung < self.top:
            self._held.add(trial.number)
        else:
            self._held.discard(trial.number)

    def _keeps_up(self, one: Trial, twin: Trial | None, busy: Set[int]) -> bool:
        """Return whether a candidate is the first of those that normalise clips as it does to climb
        to a rung that others have reached, and not hopeless: half as fit as the best of them here;
        and no twin of the front-runner climbs for them.

        Which way ends higher is known at the top alone.
        """
        mine, others = _way(one), _way(one, other=True)
        here, above = one.rung, one.rung + 1
        if self._rungs[mine, above].reached or not self._rungs[others, above].reached:
            return False
        if twin is not None and _way(twin) == mine:
            return False
        climbing = (self._paused.get(number) for number in busy)
        if any(trial and trial.rung >= here and _way(trial) == mine for trial in climbing):
            return False
        # Who is held does not keep up for the others.
        free = (place for place in self._rungs[mine, here].paused if place[1] not in self._held)
        best = -self._rungs[others, here].reached[0][0]
        return next(free) == _place(one) and _standing(one) >= _KEEPING_UP * best

    def leaders(self, busy: Set[int]) -> list[Trial]:
        """Return who goes on, earned or not, where no time is left for newborns.

        First come those who have nobody better in one of their groups that is climbing or at the
        top, so that the search ends with a good candidate in each; of equals the better. Named as
        in `earned`.
        """
        taken = self._taken(busy)

        def order(one: Trial) -> tuple[bool, _Place]:
            best = [taken.get(group, -math.inf) for group in self._groups_of(one)]
            return min(best) > _standing(one), _place(one)

        return sorted(self._heads(busy), key=order)

    def _groups_of(self, trial: Trial) -> tuple[_Group, ...]:
        return ("all", 0), ("niche", self._niches.niche_of(trial)), _way(trial)

    def _heads(self, busy: Set[int]) -> list[Trial]:
        """Return the fittest of each group and rung that may climb and is not climbing."""
        heads = {}
        for rung in self._rungs.values():
            waiting = (number for _, number in rung.paused if number not in busy)
            if (number := next(waiting, None)) is not None:
                heads[number] = self._paused[number]
        return [*heads.values()]

    def _taken(self, busy: Set[int]) -> dict[_Group, float]:
        """Return the standing of the best of each group that is climbing or at the top."""
        found = [
            (group, -rung.reached[0][0])
            for (group, at), rung in self._rungs.items()
            if at >= self.top and rung.reached
        ]
        climbing = [trial for number in busy if (trial := self._paused.get(number))]
        found += [(group, _standing(one)) for one in climbing for group in self._groups_of(one)]
        taken: dict[_Group, float] = {}
        for group, standing in found:
            taken[group] = max(taken.get(group, standing), standing)
        return taken


def _height(trial: Trial | None) -> tuple[float, float]:
    """Return what the best on the highest rung has most of."""
    return (-math.inf, -math.inf) if trial is None else (trial.rung, _standing(trial))


def _way(trial: Trial, *, other: bool = False) -> _Group:
    """Return the group of those that normalise their clips as this candidate does, or the other."""
    return "centred", int(trial.architecture.centres_clips != other)


def _standing(trial: Trial) -> float:
    """Return the fitness, or the one below which candidates are not told apart."""
    return max(trial.fitness, trial.evaluation.metrics.get(FLOOR, -math.inf))


def _place(trial: Trial) -> _Place:
    return -_standing(trial), trial.number
