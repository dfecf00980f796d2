"""What the ladder decides, when what every rung says of every candidate is known already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.results import Line
from vidnas.core import Cost, Evaluation
from vidnas.evolution import Limits, Niches, Proposal, Trial
from vidnas.evolution.ladder import Ladder
from vidnas.families.tinyvideonet.designs import DESIGNS

FINALISTS = 2
"""How many are finished: one per core, on the machine that a search is measured on."""


@dataclass(frozen=True)
class Candidate:
    """What was measured of a network: on each rung, the lowest first, and at the end."""

    rungs: tuple[Line, ...]
    end: Line

    def seconds(self, rung: int | None = None) -> float:
        """Return how long it was trained up to a rung, or to the end."""
        upto = [*self.rungs, self.end] if rung is None else self.rungs[: rung + 1]
        return float(sum(line["training_s"] for line in upto))

    def evaluation(self, rung: int) -> Evaluation:
        """Return what a search is told on a rung."""
        line = self.rungs[rung]
        cost = Cost.model_validate(self.rungs[0]["cost"])
        return Evaluation(status="ok", fitness=line["likelihood"], cost=cost)


def climbed(order: Sequence[Candidate], limit: str) -> tuple[Candidate, float]:
    """Let candidates be born in this order and climb as they earn it; finish the best.

    Returns:
        The winner, and the seconds of training.
    """
    ladder = Ladder(len(order[0].rungs), Niches(Limits.parse([limit])))
    trials: list[Trial] = []
    for number, one in enumerate(order):
        # The ladder does not look at architectures.
        trials.append(Trial(number, Proposal(DESIGNS[0]), one.evaluation(0), 0.0))
        ladder.observe(trials[-1])
        while earned := ladder.earned(frozenset()):
            trial = earned[0]
            evaluation = order[trial.number].evaluation(trial.rung + 1)
            trials[trial.number] = trial.climbed(evaluation, 0.0)
            ladder.observe(trials[trial.number])
    ranked = sorted(trials, key=lambda trial: trial.rank, reverse=True)
    winner, _ = finished([order[trial.number] for trial in ranked[:FINALISTS]])
    seconds = sum(
        order[trial.number].seconds(None if place < FINALISTS else trial.rung)
        for place, trial in enumerate(ranked)
    )
    return winner, seconds


def first_rung_only(order: Sequence[Candidate]) -> tuple[Candidate, float]:
    """Finish the best of the first rung."""
    ranked = sorted(order, key=lambda one: one.rungs[0]["likelihood"], reverse=True)
    winner, seconds = finished(ranked[:FINALISTS])
    return winner, seconds + sum(one.seconds(0) for one in ranked[FINALISTS:])


def finished(chosen: Sequence[Candidate]) -> tuple[Candidate, float]:
    """Train candidates to the end; validation picks the winner."""
    winner = max(chosen, key=lambda one: (one.end["top1"], one.end["likelihood"]))
    return winner, sum(one.seconds() for one in chosen)
