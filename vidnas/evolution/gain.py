"""What evolution gained over the designs that a search started from."""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import Self

from vidnas.core.quantities import format_fitness, format_metric, format_percent, format_points
from vidnas.core.value import Value
from vidnas.evolution.trial import Trial


class Gain(Value):
    """A candidate beside the best design of its study, on the highest rung that both reached; one
    that began with what its parent had learned, whose rungs say less than it was trained, where
    both stand."""

    number: int
    """Of the candidate."""
    design: int
    """Number of the best design; the same where the candidate is a design itself."""
    climbed: tuple[int, int]
    """The highest rung that each reached, the candidate first."""
    fitness: tuple[float, float]
    """There, the candidate's first."""
    headline: str
    """The metric that people are shown first."""
    shares: tuple[float, float] | None
    """That metric there on the validation split, between 0 and 1; None where it is not known."""
    inherited: float = 0.0
    """Share of the candidate's parameters that started as what its parent had learned."""

    @classmethod
    def of(cls, trial: Trial, trials: Sequence[Trial]) -> Self | None:
        """Compare a candidate that is ok with the best design among these trials, if any is ok."""
        designs = [one for one in trials if one.proposal.design and one.evaluation.status == "ok"]
        if trial.proposal.design:
            designs = [trial]
        if not designs:
            return None
        best = max(designs, key=lambda one: one.rank)
        inherited = trial.evaluations[0].metrics.get("inherited", 0.0)
        rungs = (trial.rung, best.rung)
        rung, other_rung = rungs if inherited else (min(rungs),) * 2
        mine, other = trial.evaluations[rung], best.evaluations[other_rung]
        assert mine.fitness is not None and other.fitness is not None  # they are ok
        share, others = mine.headline_share, other.metrics.get(mine.headline)
        return cls(
            number=trial.number,
            design=best.number,
            climbed=rungs,
            fitness=(mine.fitness, other.fitness),
            headline=mine.headline,
            shares=None if share is None or others is None else (share, others),
            inherited=inherited,
        )

    def __str__(self) -> str:
        if self.number == self.design:
            return (
                f"Trial {self.number} is a design that the search started from: nothing better was "
                "found."
            )
        mine, other = self.fitness
        differences, facts = [], []
        if self.shares is not None:
            points = format_points(self.shares[0] - self.shares[1])
            differences.append(f"{points} of validation {format_metric(self.headline)}")
            facts.append(" against ".join(map(format_percent, self.shares)))
        differences.append(f"{mine - other:+.3g} of fitness")
        facts.append(" against ".join(map(format_fitness, self.fitness)))
        found = ", ".join(
            f"{change} ({fact})" for change, fact in zip(differences, facts, strict=True)
        )
        where = f"on rung {min(self.climbed)}, the highest that both reached."
        if self.inherited:
            mine_on, other_on = self.climbed
            where = (
                f"where they stood after the search, on rungs {mine_on} and {other_on}. It started "
                f"with {format_percent(self.inherited)} of its parameters as its parent had "
                "learned them."
            )
        return (
            f"Trial {self.number} against trial {self.design}, the best design that the search "
            f"started from: {found} {where}"
        )
