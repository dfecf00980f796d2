"""One candidate of a search: what was proposed, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass

from vidnas.core import Evaluation
from vidnas.families import Architecture


@dataclass(frozen=True)
class Proposal:
    """An architecture to try, and where it came from."""

    architecture: Architecture
    parent: int | None = None
    """Number of the trial that it was mutated from; None for a random architecture."""
    mutations: tuple[str, ...] = ()
    """One short phrase a mutation."""


@dataclass(frozen=True)
class Trial:
    """A proposal with its evaluation. A search is the sequence of its trials, and nothing else."""

    number: int
    """Place in the sequence, from 0."""
    proposal: Proposal
    evaluation: Evaluation
    elapsed_s: float
    """Search time, over all resumptions, at which the evaluation was recorded."""

    @property
    def architecture(self) -> Architecture:
        """The architecture that was tried."""
        return self.proposal.architecture

    @property
    def fitness(self) -> float:
        """The fitness of a trial that is ok; minus infinity for others."""
        fitness = self.evaluation.fitness
        return float("-inf") if fitness is None else fitness
