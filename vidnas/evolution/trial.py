"""One candidate of a search: what was proposed, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vidnas.core import Evaluation
from vidnas.families import Architecture


@dataclass(frozen=True)
class Proposal:
    """An architecture to try, and where it came from."""

    architecture: Architecture
    parent: int | None = None
    """Number of the trial that it was mutated from; None for a random architecture."""
    mutations: tuple[str, ...] = ()
    """One short phrase per mutation."""


@dataclass(frozen=True, repr=False)
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

    def __repr__(self) -> str:
        found, parent = self.evaluation, self.proposal.parent
        fact = found.reason if found.fitness is None else f"fitness {found.fitness:.4g}"
        source = "random" if parent is None else f"child of {parent}"
        return f"Trial({self.number}, {source}, {found.status}: {fact})"


def trial_rows(trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """Return trials as plain rows with the same columns, ready for a data frame or a CSV file.

    The columns are the facts of the trials, in the units that their names state, and all metrics
    that any of them has; what a trial lacks is None.
    """
    metrics = dict.fromkeys(name for trial in trials for name in trial.evaluation.metrics)
    return [_row(trial, [*metrics]) for trial in trials]


def _row(trial: Trial, metrics: Sequence[str]) -> dict[str, Any]:
    found, cost = trial.evaluation, trial.evaluation.cost
    latency = cost.latency if cost else None
    return {
        "number": trial.number,
        "status": found.status,
        "fitness": found.fitness,
        **{name: found.metrics.get(name) for name in metrics},
        "parameters": cost.parameters if cost else None,
        "macs": cost.macs if cost else None,
        "activation_bytes": cost.activation_bytes if cost else None,
        "latency_ms": latency.p50_ms if latency else None,
        "broken_limit": found.broken_limit,
        "reason": found.reason,
        "parent": trial.proposal.parent,
        "mutations": "; ".join(trial.proposal.mutations),
        "digest": trial.architecture.digest,
        "seconds": found.seconds,
        "elapsed_s": trial.elapsed_s,
    }
