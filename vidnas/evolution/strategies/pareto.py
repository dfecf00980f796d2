"""Pareto evolution: accuracy against cost, the whole front at once.

Deb, Pratap, Agarwal, Meyarivan: A fast and elitist multiobjective genetic algorithm: NSGA-II, IEEE
TEC 6(2), 2002, one child at a time (Durillo et al., On the effect of the steady-state selection
scheme in multi-objective genetic algorithms, EMO 2009).

This is our own because Optuna's NSGA-II crosses over the parameters that all trials share, where
graph genomes of varying size share few, and pymoo resumes from a pickle, where we replay trials.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from vidnas.core import UserError
from vidnas.evolution.strategies.evolution import Evolution
from vidnas.evolution.trial import Trial

Objective = Literal["accuracy", "latency", "macs", "parameters"]
OBJECTIVES: tuple[Objective, ...] = ("accuracy", "latency")
"""The default."""


@dataclass
class ParetoEvolution(Evolution):
    """Evolution towards the best trade-offs between two or three objectives.

    Members compete by the rank of their front, of equals by how lonely they are in it; the worst by
    the same order leaves. A cost that was not measured counts as worse than any other.

    Raises:
        UserError: a setting is out of range, or there are not two or three different objectives.
    """

    name: ClassVar[str] = "pareto"

    objectives: Sequence[Objective] = OBJECTIVES
    """The accuracy (the fitness, whatever it is) is to be high, costs are to be low."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.objectives = tuple(self.objectives)
        known, count = get_args(Objective), len(self.objectives)
        if len({*self.objectives} & {*known}) != count or count not in (2, 3):
            raise UserError(
                "A Pareto search cannot have the objectives "
                f"{', '.join(self.objectives) or 'none'}; choose two or three different ones of "
                f"{', '.join(known)}."
            )

    def merits(self) -> Sequence[tuple[int, float]]:
        """Return each member's rank of its front, negated, and its crowding distance."""
        losses = np.array(
            [[loss(trial, name) for name in self.objectives] for trial in self.members]
        )
        if "accuracy" in self.objectives:
            # Who climbed higher is more accurate: fitness is compared on the same rung only.
            fitness = losses[:, self.objectives.index("accuracy")]
            fitness -= [trial.rung * (1 + np.ptp(fitness)) for trial in self.members]
        ranks = non_domination_ranks(losses)
        distances = np.empty(len(losses))
        for rank in set(ranks.tolist()):
            distances[ranks == rank] = crowding_distances(losses[ranks == rank])
        return list(zip((-ranks).tolist(), distances.tolist(), strict=True))

    def loser(self, places: Sequence[int]) -> int:
        """Return the place of the worst by rank, then by crowding; of equals the oldest."""
        merits = self.merits()
        return min(places, key=lambda i: merits[i])


def loss(trial: Trial, objective: Objective) -> float:
    """Return the value of an objective, to be minimised; infinite where it is not known."""
    cost = trial.evaluation.cost
    if objective == "accuracy":
        return -trial.fitness
    if cost is None:
        return math.inf
    if objective == "latency":
        return cost.latency.p50_ms if cost.latency else math.inf
    return cost.macs if objective == "macs" else cost.parameters


def non_domination_ranks(losses: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the rank of the front of each row of `(points, objectives)`; 0 is the Pareto front.

    A point dominates another if it is nowhere worse and somewhere better. The front of rank k is
    what nothing dominates once those before are gone (section III-A).
    """
    one, other = losses[:, None], losses[None]
    dominates: NDArray[np.bool_] = np.all(one <= other, -1) & np.any(one < other, -1)
    ranks = np.full(len(losses), -1)
    rank = 0
    while (left := ranks < 0).any():
        ranks[left & ~dominates[left].any(0)] = rank
        rank += 1
    return ranks


def crowding_distances(losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum over the objectives of the gap between a point's neighbours, over the range.

    The points `(points, objectives)` are those of one front; its ends are infinitely far from
    others (section III-B).
    """
    distances = np.zeros(len(losses))
    for column in losses.T:
        # What was not measured is put at the worst measured end: infinities have no differences.
        values = np.minimum(column, column[np.isfinite(column)].max(initial=-math.inf))
        order = np.argsort(values, kind="stable")
        low, high = values[order[0]], values[order[-1]]
        if low < high:
            distances[order[1:-1]] += (values[order[2:]] - values[order[:-2]]) / (high - low)
            distances[order[[0, -1]]] = math.inf
    return distances
