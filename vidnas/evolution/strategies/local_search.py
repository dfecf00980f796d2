"""Local search: climb from a random architecture, one neighbour at a time; restart elsewhere.

White, Nolen, Savani: Exploring the Loss Landscape in Neural Architecture Search, UAI 2021 (arXiv
2005.02960); Den Ottelander et al.: Local Search is a Remarkably Strong Baseline for Neural
Architecture Search, EMO 2021 (arXiv 2004.08996).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from vidnas.core import UserError
from vidnas.evolution.strategies.base import Strategy
from vidnas.evolution.trial import Proposal, Trial
from vidnas.families import Space


@dataclass
class LocalSearch(Strategy):
    """Moves to the first neighbour that is better; restarts at random where none seems to be left.

    Neighbours differ by one mutation. With several workers, neighbours of an earlier point of the
    same climb may come late: they count as well. Those of an earlier climb do not, because they
    would lead back to the summit that was left. All are compared on the lowest rung, where all have
    been.

    Raises:
        UserError: the patience is not positive.
    """

    name: ClassVar[str] = "local"

    patience: int = 20
    """Trials without improvement after which a climb ends; more than the default gains nothing on
    NAS-Bench-201, where a cell has 24 neighbours (`benchmarks/nasbench.py`)."""
    guided: bool = True
    """Whether mutations see the evaluation of the architecture that they change."""

    def __post_init__(self) -> None:
        if self.patience < 1:
            raise UserError(
                f"A local search cannot have a patience of {self.patience}; let it try at least 1 "
                "neighbour."
            )
        self.climb: list[Trial] = []
        """From the random start to the incumbent."""
        self.waited = 0
        """Trials since the incumbent was found."""

    @property
    def ended(self) -> bool:
        """Whether a climb, the first or the next, is to start."""
        return not self.climb or self.waited >= self.patience

    def observe(self, trial: Trial) -> None:
        """Move to a better neighbour or start; count the trials that are neither.

        A rejected neighbour counts too: where all are rejected, the climb has to end. What a trial
        does on higher rungs counts only where it fails.
        """
        if trial.earlier:
            if trial.evaluation.status != "ok":
                self.climb = [one for one in self.climb if one.number != trial.number]
            return
        ok, random = trial.evaluation.status == "ok", trial.proposal.parent is None
        better = not self.climb or trial.fitness > self.climb[-1].fitness
        if ok and random and (better or self.ended):
            self.climb, self.waited = [trial], 0
        elif ok and better and trial.proposal.parent in {one.number for one in self.climb}:
            self.climb.append(trial)
            self.waited = 0
        else:
            self.waited += 1

    def propose(self, space: Space, rng: np.random.Generator) -> Proposal:
        """Return a neighbour of the incumbent, or a random architecture to start a climb at."""
        if self.ended:
            return Proposal(space.random(rng))
        incumbent = self.climb[-1]
        evaluation = incumbent.evaluation if self.guided else None
        child, mutations = space.mutate(incumbent.architecture, rng, evaluation, strength=1)
        return Proposal(child, incumbent.number, mutations)
