"""What the page of a study shows, whatever the study is stored in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pydantic import PositiveInt

from vidnas.core import Cost, Status
from vidnas.core.quantities import format_metric, format_percent
from vidnas.core.value import Value
from vidnas.deploy.card import ModelCard
from vidnas.evolution.accounting import Accounting
from vidnas.evolution.gain import Gain
from vidnas.evolution.limits import Limits
from vidnas.evolution.niches import Niches
from vidnas.evolution.study import latest
from vidnas.evolution.trial import Trial
from vidnas.families import AnyArchitecture, Architecture
from vidnas.profiling.blocks import BlockTimes
from vidnas.report.in_browser import InBrowser
from vidnas.report.mistakes import Mistakes
from vidnas.training import AnyMetrics


class EnsembleMember(Value):
    """A network of the ensemble."""

    name: str
    """The trial that found it, with the study where there are several."""
    architecture: AnyArchitecture
    weight: PositiveInt
    """How often it was selected."""
    validation_share: float
    """Its headline, between 0 and 1."""
    test_share: float
    cost: Cost


class EnsembleStep(Value):
    """One step of the selection."""

    member: int
    """The index of the member that was added."""
    validation_share: float
    """The headline of the ensemble with it."""
    validation_loss: float


class TopByAccuracy(Value):
    """What as many networks reach if they are chosen for their accuracy alone."""

    names: tuple[str, ...]
    validation_share: float
    test_share: float


class EnsembleReport(Value):
    """An ensemble and how it was selected; accuracies are means over several clips per video."""

    members: tuple[EnsembleMember, ...]
    steps: tuple[EnsembleStep, ...]
    disagreement: tuple[tuple[float, ...], ...]
    """The share of the validation clips on which two members differ, by their indices."""
    pool: int
    """How many networks were trained to choose from."""
    by_accuracy: TopByAccuracy
    test: AnyMetrics
    cost: Cost

    @property
    def best_member(self) -> EnsembleMember:
        """The member with the best headline on the test split."""
        return max(self.members, key=lambda member: member.test_share)

    @property
    def verdict(self) -> str:
        """Whether the ensemble was worth it, in one sentence."""
        best = self.best_member
        gain = self.test.headline_share - best.test_share
        what = f"of {self.test.headline_name}"
        if self.test.headline == "top1":
            what = f"({abs(round(gain * self.test.clips))} of {self.test.clips} test clips)"
        if gain > 0:
            return (
                f"The ensemble beats its best member, {best.name}, by {100 * gain:.1f} points "
                f"{what}."
            )
        if gain == 0:
            return f"The ensemble does not beat its best member: {best.name} is right as often."
        return (
            f"The ensemble does not beat its best member: {best.name} is better by "
            f"{-100 * gain:.1f} points {what}."
        )


@dataclass(frozen=True)
class TrialGroup:
    """Trials that were rejected or failed for the same cause."""

    cause: str
    """The limit that they broke, or what went wrong."""
    trials: Sequence[Trial]


@dataclass(frozen=True)
class StudyReport:
    """A study as its page shows it; without a winner the search is unfinished."""

    title: str
    folder: str
    """The study's folder as the commands on the page name it."""
    history: Sequence[Trial]
    """Each trial as it was after each event of the search."""
    classes: Sequence[str]
    limits: Limits = field(default_factory=Limits)
    config: Mapping[str, Any] = field(default_factory=dict)
    """What was asked, as it stands in the study's `config.yaml`."""
    versions: Mapping[str, str] = field(default_factory=dict)
    fitness: tuple[str, ...] = ()
    """Names of the metrics whose sum the fitness is; empty if it is something else."""
    winner: ModelCard | None = None
    """The network that is the answer."""
    models: Sequence[ModelCard] = ()
    """All networks that were finished, the answer included; their trials are those of the study."""
    accounting: Accounting | None = None
    """Where the core-seconds of the search went; None where nobody knows."""
    ensemble: EnsembleReport | None = None
    in_browser: InBrowser | None = None
    """The network as the page runs it, if it does."""
    videos: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Numbers of videos by split and class; empty where nobody wrote them down."""
    whole_size: bool = False
    """Whether the largest clips that the search allows are as large as the videos."""
    mistakes: Mistakes | None = None
    """Test clips that the answer takes for something else, and which of their frames matter."""
    blocks: BlockTimes | None = None
    """Where the milliseconds of the answer go."""

    @cached_property
    def singles(self) -> list[ModelCard]:
        """All networks that were finished, the one that validates best first; of the answer what is
        known of it as the answer, such as its latency at rest."""
        answer = self.winner if self.winner and not self.winner.voters else None
        others = [card for card in self.models if not answer or card.trial != answer.trial]
        cards = [*([answer] if answer else []), *others]
        return sorted(cards, key=_validated, reverse=True)

    @cached_property
    def finished(self) -> list[ModelCard]:
        """All networks that were finished, and the vote that is the answer where some vote."""
        vote = [self.winner] if self.winner and self.winner.voters else []
        return sorted([*vote, *self.singles], key=_validated, reverse=True)

    @cached_property
    def _known_costs(self) -> dict[int | None, Cost]:
        return {card.trial: card.cost for card in self.singles if card.cost}

    @property
    def answers(self) -> tuple[int, ...]:
        """Numbers of the trials whose networks are the answer, the best alone first."""
        if self.winner is None or self.winner.trial is None:
            return ()
        return self.winner.voters or (self.winner.trial,)

    def cost_of(self, trial: Trial) -> Cost | None:
        """Return what a candidate costs: as measured when it was finished, else in the search."""
        return self._known_costs.get(trial.number, trial.evaluation.cost)

    def place_of(self, card: ModelCard) -> str:
        """Return the folder of a finished network as the commands on the page name it."""
        return self.folder if card is self.winner else f"{self.folder}/models/trial-{card.trial}"

    @cached_property
    def trials(self) -> list[Trial]:
        """All candidates as they are now."""
        return latest(self.history)

    @cached_property
    def by_number(self) -> dict[int, Trial]:
        """All candidates as they are now, by their number."""
        return {trial.number: trial for trial in self.trials}

    @property
    def elapsed_s(self) -> float:
        """Search time until the last event."""
        return self.history[-1].elapsed_s if self.history else 0.0

    @property
    def headline(self) -> str:
        """The metric that is shown first: that of the answer, else of the candidates."""
        if self.winner is not None and self.winner.test is not None:
            return self.winner.test.headline
        return next((one.evaluation.headline for one in self.of_status("ok")), "top1")

    @property
    def headline_title(self) -> str:
        """That metric as the title of a column."""
        name = format_metric(self.headline)
        return name.capitalize() if name.islower() else name

    @property
    def gain(self) -> Gain | None:
        """What the answer has over the best design of the study."""
        number = self.winner.trial if self.winner else None
        found = None if number is None else self.by_number.get(number)
        return Gain.of(found, self.trials) if found else None

    @property
    def along_the_limit(self) -> list[ModelCard]:
        """The finished network of each niche of the limited cost, the most expensive niche first:
        the answer, and of each other niche the best on the validation split."""
        niches, by_number = Niches(self.limits), self.by_number
        best: dict[int, ModelCard] = {}
        for card in self.singles:
            if card.trial in by_number:
                best.setdefault(niches.niche_of(by_number[card.trial]), card)
        if self.winner and not self.winner.voters and self.winner.trial in by_number:
            best[niches.niche_of(by_number[self.winner.trial])] = self.winner
        return [card for _, card in sorted(best.items())]

    @property
    def choosing(self) -> str:
        """Why the answer is the answer, in one or two sentences."""
        others = [card for card in self.finished if card is not self.winner and card.validation]
        if self.winner is None or self.winner.validation is None or not others:
            return ""
        own, rival = self.winner.validation, others[0].validation
        assert rival is not None
        said = (
            f"Validation chose {self.winner.name}: {_reached(own)} validation clips, the next best "
            f"of the others being {others[0].name} with {format_percent(rival.headline_share)}."
        )
        if self.winner.voters:
            return (
                f"{said} Together they give the right answers a loss of {own.judged_loss:.3f} "
                f"there, that one {rival.judged_loss:.3f}."
            )
        if rival.rank > own.rank:
            return f"{said} That one does not keep the limits when it is measured at rest."
        if rival.headline_share >= own.headline_share:
            return (
                f"{said} The loss of the right answers decides: {own.judged_loss:.3f}, against "
                f"{rival.judged_loss:.3f}."
            )
        return said

    @property
    def time_warning(self) -> str | None:
        """That the answer does not use time, where that is so."""
        if self.winner is None or self.winner.test is None or self.winner.time_use is None:
            return None
        return self.winner.time_use.warning(self.winner.test.headline_share)

    @property
    def shown(self) -> tuple[Architecture, int] | None:
        """The network that the page draws, and its trial: the winner, else the best so far."""
        chosen = self.winner and [one for one in self.trials if one.number == self.winner.trial]
        return next(((one.architecture, one.number) for one in chosen or self.best(1)), None)

    @property
    def unmeasured(self) -> list[Trial]:
        """The trials that were rejected before their latency was measured."""
        return [
            trial
            for trial in self.of_status("rejected")
            if trial.evaluation.cost is None or trial.evaluation.cost.latency is None
        ]

    @property
    def rejections(self) -> list[TrialGroup]:
        """Rejected and failed trials, grouped by cause, the most frequent cause first."""
        groups: dict[tuple[Status, str], list[Trial]] = {}
        for trial in self.trials:
            if trial.evaluation.status != "ok":
                cause = trial.evaluation.broken_limit or trial.evaluation.reason
                groups.setdefault((trial.evaluation.status, cause), []).append(trial)
        found = [TrialGroup(cause, trials) for (_, cause), trials in groups.items()]
        return sorted(found, key=lambda group: -len(group.trials))

    @property
    def settings(self) -> list[tuple[str, str]]:
        """What was asked and the versions of what did it, as names with values."""
        versions = ((f"version: {name}", version) for name, version in self.versions.items())
        return [*_flat(self.config), *versions]

    def of_status(self, status: Status) -> list[Trial]:
        """Return the trials with this outcome, in the order in which they were recorded."""
        return [trial for trial in self.trials if trial.evaluation.status == status]

    def best(self, count: int) -> list[Trial]:
        """Return the fittest, the best first."""
        return sorted(self.of_status("ok"), key=lambda trial: trial.rank, reverse=True)[:count]

    def lineage(self, number: int) -> list[Trial]:
        """Return a trial and its ancestors, the one that the line began with first."""
        by_number = self.by_number
        line: list[Trial] = []
        current: int | None = number
        while current in by_number:
            line.append(by_number[current])
            current = by_number[current].proposal.parent
        return line[::-1]


def _reached(metrics: AnyMetrics) -> str:
    """Return a headline with what it is of: only top-1 is a share of the clips."""
    share = format_percent(metrics.headline_share)
    if metrics.headline == "top1":
        return f"{share} of {metrics.clips}"
    accuracy = " accuracy" if metrics.headline == "mean_class" else ""
    return f"{share} {metrics.headline_name}{accuracy} on {metrics.clips}"


def _validated(card: ModelCard) -> tuple[float, float]:
    return card.validation.rank if card.validation else (float("-inf"), 0.0)


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        elif isinstance(value, (list, tuple)):
            yield f"{prefix}{name}", ", ".join(map(str, value))
        else:
            yield f"{prefix}{name}", str(value)
