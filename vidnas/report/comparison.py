"""Several studies side by side: who found what, how soon, and how sure that is."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import fmean
from typing import Any

import numpy as np

from vidnas.core.quantities import format_metric, format_percent
from vidnas.deploy.card import ModelCard
from vidnas.evolution.config import StudyConfig
from vidnas.evolution.gain import Gain
from vidnas.evolution.study import latest
from vidnas.evolution.tally import Tally
from vidnas.evolution.trial import Trial
from vidnas.training.chance import accuracy_interval, chance_level

_NOT_COMPARED = {"seed", "data_fingerprint"}
"""What differs between repetitions of one search: the seed also draws the splits."""
_DERIVED: dict[str, Any] = {
    "evaluator": {"training": {"epochs", "budget_s"}},
    "strategy": {"population", "tournament", "mutations", "mutation_decay"},
}
"""What may follow from the budget and the number of training clips, which the seed changes where
groups of clips stay in one split."""
_TIMES = 60
"""Points of a curve over time."""


@dataclass(frozen=True)
class Reached:
    """The best of a search at one moment."""

    evaluations: int
    """Candidates that were trained until then."""
    elapsed_s: float
    value: float


@dataclass(frozen=True)
class Spread:
    """What the repetitions of a search reached at one moment."""

    x: float
    mean: float
    least: float
    most: float


@dataclass(frozen=True)
class ComparedStudy:
    """A study as it is compared."""

    name: str
    config: StudyConfig
    history: Sequence[Trial]
    winner: ModelCard | None
    clips: frozenset[tuple[str, ...]] = frozenset()
    """Content and classes of each, in whatever split; empty where nobody wrote them down."""
    budget: Mapping[str, Any] = field(default_factory=dict)
    """What was asked that the length of the rungs follows from; empty where that was asked for."""

    @property
    def search(self) -> str:
        """What repetitions have in common: all that was asked but the seed, and the clips."""
        exclude = dict.fromkeys(_NOT_COMPARED, True) | (_DERIVED if self.budget else {})
        config = self.config.model_dump(mode="json", exclude=exclude)
        return json.dumps([config, dict(self.budget), sorted(self.clips)])

    @cached_property
    def trials(self) -> list[Trial]:
        """All candidates as they are now."""
        return latest(self.history)

    @property
    def ok(self) -> list[Trial]:
        """The candidates that were trained."""
        return [trial for trial in self.trials if trial.evaluation.status == "ok"]

    @property
    def best(self) -> Trial | None:
        """The answer or, before there is one, the best so far."""
        if self.winner is not None and self.winner.trial is not None:
            return self.trials[self.winner.trial]
        return max(self.ok, key=lambda trial: trial.rank, default=None)

    def curve(self, value_of: Callable[[Trial], float]) -> list[Reached]:
        """Return the best so far after every event that found or lost one."""
        tally, found = Tally(), list[Reached]()
        for trial in self.history:
            tally.take(trial)
            if tally.best is not None:
                value = value_of(tally.best)
                found.append(Reached(tally.evaluated, trial.elapsed_s, value))
        return found


@dataclass(frozen=True)
class Group:
    """Repetitions of one search: studies that differ in nothing but the seed."""

    name: str
    studies: Sequence[ComparedStudy]


@dataclass(frozen=True)
class Comparison:
    """Studies in the order in which they were named."""

    studies: Sequence[ComparedStudy]

    @cached_property
    def groups(self) -> list[Group]:
        """The studies, those that differ in nothing but the seed together."""
        found: dict[str, list[ComparedStudy]] = {}
        for study in self.studies:
            found.setdefault(study.search, []).append(study)
        names = _names(list(found.values()))
        return [Group(*one) for one in zip(names, found.values(), strict=True)]

    @property
    def headline(self) -> str | None:
        """The metric that all candidates have; None where they are compared by their fitness."""
        names = {trial.evaluation.headline for study in self.studies for trial in study.ok}
        known = all(
            trial.evaluation.headline_share is not None
            for study in self.studies
            for trial in study.ok
        )
        return names.pop() if len(names) == 1 and known else None

    @property
    def value_name(self) -> str:
        """What is compared, as people call it."""
        return f"validation {format_metric(self.headline)}" if self.headline else "fitness"

    @property
    def value_title(self) -> str:
        """The same at the beginning of a sentence; the name of a metric keeps its capitals."""
        return self.value_name[0].upper() + self.value_name[1:]

    def value_of(self, trial: Trial) -> float:
        """Return what a candidate is compared by: its headline or its fitness."""
        share = trial.evaluation.headline_share if self.headline else None
        return trial.fitness if share is None else share

    @property
    def is_timed(self) -> bool:
        """Whether all candidates have a latency; their cost is counted in MACs elsewhere."""
        costs = [trial.evaluation.cost for study in self.studies for trial in study.ok]
        return bool(costs) and all(cost and cost.latency for cost in costs)

    def cost_of(self, trial: Trial) -> float | None:
        """Return the latency in milliseconds or the MACs of a candidate; None if unknown."""
        cost = trial.evaluation.cost
        if cost is None:
            return None
        return cost.latency.p50_ms if self.is_timed and cost.latency else cost.macs

    def spread(self, group: Group, *, over_time: bool) -> list[Spread]:
        """Return what the repetitions of a search reached, as far as all of them came.

        Args:
            group: the repetitions.
            over_time: by seconds of search; by evaluations otherwise.
        """
        curves = [study.curve(self.value_of) for study in group.studies]
        if not all(curves):
            return []
        moments = [
            [one.elapsed_s if over_time else one.evaluations for one in curve] for curve in curves
        ]
        first, last = max(one[0] for one in moments), min(one[-1] for one in moments)
        places = np.arange(first, last + 1)
        if over_time:
            places = np.linspace(first, max(first, last), _TIMES)
        found = []
        for x in places.tolist():
            values = [
                curve[bisect_right(its, x) - 1].value
                for curve, its in zip(curves, moments, strict=True)
            ]
            found.append(Spread(x, fmean(values), min(values), max(values)))
        return found

    def priced(self, group: Group) -> list[tuple[float, Trial]]:
        """Return the trained candidates of a group whose cost is known, with that cost."""
        trials = [trial for study in group.studies for trial in study.ok]
        return [(cost, trial) for trial in trials if (cost := self.cost_of(trial)) is not None]

    def front(self, group: Group) -> list[tuple[float, Trial]]:
        """Return the candidates that no cheaper one of the group equals, by rising cost."""
        front: list[tuple[float, Trial]] = []
        for cost, trial in sorted(
            self.priced(group), key=lambda one: (one[0], -self.value_of(one[1]))
        ):
            if not front or self.value_of(trial) > self.value_of(front[-1][1]):
                front.append((cost, trial))
        return front

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One row per study with the same columns, units in their names; None where unknown."""
        return [self._row(group, study) for group in self.groups for study in group.studies]

    def _row(self, group: Group, study: ComparedStudy) -> dict[str, Any]:
        statuses = [trial.evaluation.status for trial in study.trials]
        best, card = study.best, study.winner
        test = card.test if card else None
        cost = card.cost if card and card.cost else best and best.evaluation.cost
        low, high = (test and accuracy_interval(test)) or (None, None)
        gain = best and Gain.of(best, study.trials)
        shares = gain.shares if gain else None
        return {
            "study": study.name,
            "group": group.name,
            "seed": study.config.seed,
            "trained": statuses.count("ok"),
            "rejected": statuses.count("rejected"),
            "failed": statuses.count("failed"),
            "search_s": study.history[-1].elapsed_s if study.history else 0.0,
            "metric": test.headline if test else self.headline,
            "validation": self._validation(best, card),
            "fitness": best and best.fitness,
            "gain_over_design": shares and shares[0] - shares[1],
            "test": test and test.headline_share,
            "test_low": low,
            "test_high": high,
            "test_clips": test and test.clips,
            "chance_level": test and chance_level(test),
            "latency_ms": cost.latency.p50_ms if cost and cost.latency else None,
            "parameters": cost and cost.parameters,
            "macs": cost and cost.macs,
            "within_limits": card and card.within_limits,
        }

    def _validation(self, best: Trial | None, card: ModelCard | None) -> float | None:
        """Return the validation metric of the network that is the answer, or of the best candidate
        where none is finished."""
        if card is not None and card.validation is not None:
            return card.validation.headline_share
        return None if best is None or not self.headline else self.value_of(best)

    @property
    def notes(self) -> list[str]:
        """What to know before one believes the comparison, in sentences."""
        notes = []
        if len({study.config.classes for study in self.studies}) > 1:
            notes.append("These studies have other classes, so that their accuracies say little.")
        elif len({study.clips for study in self.studies if study.clips}) > 1 or any(
            one.config.seed == other.config.seed
            and one.config.data_fingerprint != other.config.data_fingerprint
            for one in self.studies
            for other in self.studies
        ):
            notes.append("These studies have other clips, or split them otherwise.")
        if self.headline is None and any(study.ok for study in self.studies):
            notes.append("Their candidates share no metric: they are compared by fitness.")
        return notes + self._tie()

    def _tie(self) -> list[str]:
        """Say that the two best may be equally good, where that is so."""
        tested = [row for row in self.rows if row["test_low"] is not None]
        tested.sort(key=lambda row: -row["test"])
        same_classes = len({study.config.classes for study in self.studies}) == 1
        if not same_classes or len(tested) < 2 or tested[1]["test_high"] <= tested[0]["test_low"]:
            return []
        first, second = (f"{one['study']} ({format_percent(one['test'])})" for one in tested[:2])
        return [
            f"The test clips do not tell {first} from {second} for certain: their intervals "
            "overlap."
        ]

    @property
    def summaries(self) -> list[str]:
        """What each search with several seeds reached on the test clips, in sentences."""
        found = []
        for group in self.groups:
            cards = [study.winner for study in group.studies if study.winner]
            shares = [card.test.headline_share for card in cards if card.test]
            if len(shares) > 1:
                mean, least, most = map(format_percent, (fmean(shares), min(shares), max(shares)))
                found.append(
                    f"{group.name}: {mean} on the test clips ({least} to {most}) in {len(shares)} "
                    "studies"
                )
        return found


def _names(groups: Sequence[Sequence[ComparedStudy]]) -> list[str]:
    """Return a name for each group: what tells it from the others, or else its studies."""
    facts = [
        (str(config.strategy.get("name", "a strategy")), config.family, str(config.limits))
        for config in (studies[0].config for studies in groups)
    ]
    telling = [place for place in range(3) if len({fact[place] for fact in facts}) > 1]
    names = [", ".join(fact[place] or "no limit" for place in telling) for fact in facts]
    if len(set(names)) == len(groups) and all(names):
        return names
    return [" and ".join(study.name for study in studies) for studies in groups]
