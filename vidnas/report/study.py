"""What the page of a study is made from; it knows nothing of how a study is stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vidnas.core import Cost, Status
from vidnas.families import Architecture
from vidnas.search.limits import Limits
from vidnas.search.trial import Trial
from vidnas.training import Metrics


@dataclass(frozen=True)
class Winner:
    """The network that was trained in full."""

    number: int
    """Of the trial that found it."""
    architecture: Architecture
    cost: Cost
    test: Metrics | None = None
    """On the test split, which the search never sees; None where there is none."""
    export_difference: float | None = None
    """Largest absolute difference of a logit between the exported graph and torch."""


@dataclass(frozen=True)
class StudyReport:
    """A study as its page shows it; without a winner it is still under way."""

    title: str
    folder: str
    """The study's folder as the commands on the page name it."""
    trials: Sequence[Trial]
    classes: Sequence[str]
    limits: Limits = field(default_factory=Limits)
    config: Mapping[str, Any] = field(default_factory=dict)
    """What was asked, as it stands in the study's `config.yaml`."""
    versions: Mapping[str, str] = field(default_factory=dict)
    winner: Winner | None = None

    def of_status(self, status: Status) -> list[Trial]:
        """The trials with this outcome, in the order in which they were recorded."""
        return [trial for trial in self.trials if trial.evaluation.status == status]

    def best(self, count: int) -> list[Trial]:
        """The fittest trials, the best first."""
        return sorted(self.of_status("ok"), key=lambda trial: -trial.fitness)[:count]

    def lineage(self, number: int) -> list[Trial]:
        """A trial and its ancestors, the random start first."""
        by_number = {trial.number: trial for trial in self.trials}
        line: list[Trial] = []
        current: int | None = number
        while current in by_number:
            line.append(by_number[current])
            current = by_number[current].proposal.parent
        return line[::-1]
