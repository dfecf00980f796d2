"""Local search: climb from a random architecture, one neighbour at a time; begin again elsewhere.

White, Nolen, Savani: Exploring the Loss Landscape in Neural Architecture Search, UAI 2021 (arXiv
2005.02960); Den Ottelander et al.: Local Search is a Remarkably Strong Baseline for Neural
Architecture Search, EMO 2021 (arXiv 2004.08996).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vidnas.core import UserError
from vidnas.evolution.trial import Proposal, Trial
from vidnas.families import Space


class LocalSearch:
    """Moves to the first neighbour that is better; restarts at random where none seems to be left.

    Neighbours differ by one mutation. With several workers, neighbours of an earlier place of the
    same climb may come late: they count as well, those of an earlier climb do not, for they would
    lead back to the summit that was left.

    Args:
        patience: trials without improvement after which a climb ends; more than the default gains
            nothing on NAS-Bench-201, where a cell has 24 neighbours (`benchmarks/nasbench.py`).
        guided: whether mutations see the evaluation of the architecture that they change.

    Raises:
        UserError: the patience is not above zero.
    """

    def __init__(self, patience: int = 20, *, guided: bool = True) -> None:
        if patience < 1:
            raise UserError(
                f"A local search cannot have a patience of {patience}; let it try at least 1 "
                "neighbour."
            )
        self.patience = patience
        self.guided = guided
        self.climb: list[Trial] = []
        """From the random start to the incumbent."""
        self.waited = 0
        """Trials since the incumbent was found."""

    def describe(self) -> dict[str, Any]:
        """Name and settings."""
        return {"name": "local", "patience": self.patience, "guided": self.guided}

    @property
    def ended(self) -> bool:
        """Whether the next climb is to start, or the first."""
        return not self.climb or self.waited >= self.patience

    def observe(self, trial: Trial) -> None:
        """Move to a better neighbour or start; count what is none.

        A refused neighbour counts too: where all are refused, the climb has to end.
        """
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
        """A neighbour of the incumbent, or a random architecture where a climb is to start."""
        if self.ended:
            return Proposal(space.random(rng))
        incumbent = self.climb[-1]
        evaluation = incumbent.evaluation if self.guided else None
        child, mutations = space.mutate(incumbent.architecture, rng, evaluation, strength=1)
        return Proposal(child, incumbent.number, mutations)
