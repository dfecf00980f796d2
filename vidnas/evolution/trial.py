"""One candidate of a search: what was proposed, and what became of it, rung by rung."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from vidnas.core import Evaluation
from vidnas.families import Architecture

FLOOR = "floor"
"""The metric of an evaluation that says below which fitness candidates are not told apart."""


@dataclass(frozen=True)
class Proposal:
    """An architecture to try, and where it came from."""

    architecture: Architecture
    parent: int | None = None
    """Number of the trial that it was mutated from; None for a random architecture."""
    mutations: tuple[str, ...] = ()
    """One short phrase per mutation."""
    design: bool = False
    """Whether it is one of the space's designs."""


@dataclass(frozen=True, repr=False)
class Trial:
    """A candidate: a proposal with its evaluations, one per rung that it climbed.

    One that fails or is rejected on a higher rung has failed or is rejected as a whole.
    """

    number: int
    """Place among the candidates of its search, from 0."""
    proposal: Proposal
    evaluation: Evaluation
    """The latest."""
    elapsed_s: float
    """Search time, over all resumptions, at which the latest evaluation was recorded."""
    earlier: tuple[Evaluation, ...] = ()
    """The evaluations on the rungs below, the lowest first; all of them are ok."""

    @property
    def architecture(self) -> Architecture:
        """The architecture that was tried."""
        return self.proposal.architecture

    @property
    def evaluations(self) -> tuple[Evaluation, ...]:
        """All evaluations, that of the lowest rung first."""
        return (*self.earlier, self.evaluation)

    @property
    def rung(self) -> int:
        """The rung that the latest evaluation is of, from 0."""
        return len(self.earlier)

    @property
    def rank(self) -> tuple[float, int]:
        """What orders candidates, the greater the better: the latest fitness, whatever the rung,
        because more training is no merit; of equals, the one that was trained less."""
        return self.fitness, -self.rung

    def climbed(self, evaluation: Evaluation, elapsed_s: float) -> Trial:
        """Return the trial with one more rung; a cost that was measured once holds for all."""
        if evaluation.cost is None:
            evaluation = evaluation.model_copy(update={"cost": self.evaluation.cost})
        return replace(self, evaluation=evaluation, elapsed_s=elapsed_s, earlier=self.evaluations)

    def may_climb(self, rungs: int) -> bool:
        """Whether the candidate has not come to its end on a ladder of so many rungs."""
        return self.evaluation.status == "ok" and self.rung < rungs - 1

    @property
    def fitness(self) -> float:
        """The fitness of a trial that is ok; minus infinity for others."""
        fitness = self.evaluation.fitness
        return float("-inf") if fitness is None else fitness

    def __repr__(self) -> str:
        found, parent = self.evaluation, self.proposal.parent
        fact = found.reason if found.fitness is None else f"fitness {found.fitness:.4g}"
        source = "random" if parent is None else f"child of {parent}"
        source = "design" if self.proposal.design else source
        climbed = f" on rung {self.rung}" if self.rung else ""
        return f"Trial({self.number}, {source}, {found.status}{climbed}: {fact})"


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
    frame_latency = cost.frame_latency if cost else None
    return {
        "number": trial.number,
        "status": found.status,
        "rung": trial.rung,
        "fitness": found.fitness,
        **{name: found.metrics.get(name) for name in metrics},
        "parameters": cost.parameters if cost else None,
        "macs": cost.macs if cost else None,
        "activation_bytes": cost.activation_bytes if cost else None,
        "latency_ms": latency.p50_ms if latency else None,
        "frame_latency_ms": frame_latency.p50_ms if frame_latency else None,
        "broken_limit": found.broken_limit,
        "reason": found.reason,
        "parent": trial.proposal.parent,
        "mutations": "; ".join(trial.proposal.mutations),
        "digest": trial.architecture.digest,
        "seconds": found.seconds,
        "elapsed_s": trial.elapsed_s,
    }
