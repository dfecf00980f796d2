"""How a search spends its time, and how its candidates are proposed and trained."""

from __future__ import annotations

import math
from typing import Any

from vidnas.core import UserError
from vidnas.core.durations import format_duration
from vidnas.core.names import suggest
from vidnas.core.value import Value
from vidnas.data.sampling import Augmentation
from vidnas.evolution.clip_evaluator import ClipEvaluation
from vidnas.evolution.config import StudyConfig
from vidnas.evolution.strategies import Strategy, make_strategy, strategy_settings
from vidnas.evolution.study import CONFIG_NAME
from vidnas.families import EvolutionDefaults, Family, Space, families
from vidnas.training import TrainingSettings
from vidnas.workflows.request import SearchRequest

_TRAINING_SHARE, _REST_SHARE = 0.3, 0.05
"""Shares of the budget: the final training, and start-up, testing, export and the page."""
_OF_WORK = _TRAINING_SHARE / (1 - _REST_SHARE)
"""The share of the final training in what is left for search and training."""
_LEAST_REST_S = 12.0
"""Allowed for start-up, testing, export and the page, however small the budget is."""
_STARTING_S = 4.0
"""Allowed until the workers have imported torch and measured a first latency."""
_CANDIDATES = 60
"""Evaluations that the default time per candidate leaves room for."""
_CANDIDATE_S = (6.0, 60.0)
_DEFAULT_CANDIDATE_S = 20.0
_FULL_TO_BRIEF = 13  # docs/fidelity.md


class Plan(Value):
    """The times of a search, which follow from its request."""

    budget_s: float | None
    search_s: float | None
    """None where only the number of evaluations ends the search."""
    candidate_s: float
    train_s: float
    rest_s: float
    """For start-up, testing, export and the page."""
    evaluations: int
    """As many as were asked for, or as the time allows."""

    @classmethod
    def of(cls, request: SearchRequest, workers: int) -> Plan:
        """Return the times for a request.

        Raises:
            UserError: the search would have no end, or its budget is too small.
        """
        budget_s = request.budget_s
        if budget_s is None and request.evaluations is None:
            raise UserError("The search has no end; give --budget 30m, --evaluations 100, or both.")
        candidate_s = request.candidate_time_s or _DEFAULT_CANDIDATE_S
        train_s = request.train_time_s or _FULL_TO_BRIEF * candidate_s
        rest_s, search_s = _LEAST_REST_S, None
        if budget_s is not None:
            rest_s = max(_REST_SHARE * budget_s, _LEAST_REST_S)
            train_s = request.train_time_s or _OF_WORK * (budget_s - rest_s)
            search_s = budget_s - rest_s - train_s
            if request.candidate_time_s is None:
                low, high = _CANDIDATE_S
                candidate_s = min(max(search_s * workers / _CANDIDATES, low), high)
            _require_enough(request, search_s, candidate_s)
        in_time = search_s * workers / candidate_s if search_s else math.inf
        return cls(
            budget_s=budget_s,
            search_s=search_s,
            candidate_s=candidate_s,
            train_s=train_s,
            rest_s=rest_s,
            evaluations=int(min(request.evaluations or math.inf, in_time)),
        )

    @property
    def last_start_s(self) -> float | None:
        """Search time after which no candidate is started, so that the last one ends in time."""
        return None if self.search_s is None else max(self.search_s - self.candidate_s, 1.0)

    def __str__(self) -> str:
        train = f"{format_duration(self.train_s)} of final training"
        rest = f"about {format_duration(self.rest_s)} for start-up, testing and export"
        if self.search_s is None:
            return f"{self.evaluations} candidates, {train}, {rest}"
        return (
            f"{format_duration(self.search_s)} of search (about {self.evaluations} candidates), "
            f"{train}, {rest}"
        )


def _require_enough(request: SearchRequest, search_s: float, candidate_s: float) -> None:
    """Reject a budget in which not even one round of candidates has room.

    Raises:
        UserError: the budget is too small; the sentence names the time that is needed.
    """
    needed_s = _STARTING_S + 2 * candidate_s
    if search_s >= needed_s:
        return
    least_s = _LEAST_REST_S + (
        needed_s + request.train_time_s if request.train_time_s else needed_s / (1 - _OF_WORK)
    )
    raise UserError(
        f"--budget {format_duration(request.budget_s or 0)} leaves "
        f"{format_duration(max(search_s, 0))} to search, and a first round of candidates needs "
        f"{format_duration(needed_s)}; give --budget {math.ceil(least_s / 10) * 10}s or more."
    )


def planned_strategy(request: SearchRequest, plan: Plan) -> Strategy:
    """Return the strategy that was asked for; the study or the family say what else it needs.

    Raises:
        UserError: its settings do not go together.
    """
    if request.objectives and request.strategy != "pareto":
        raise UserError(
            f"The strategy {request.strategy} knows no objectives; add --strategy pareto, or leave "
            "--objective out."
        )
    known = {*strategy_settings(request.strategy)}
    settings: dict[str, Any] = {}
    if known >= EvolutionDefaults.model_fields.keys():
        settings = _evolution(request, plan).model_dump()
    asked = request.model_dump(include=known, exclude_none=True)
    settings |= {name: value for name, value in asked.items() if value != ()}
    if request.tournament is None and "tournament" in settings:
        settings["tournament"] = min(settings["tournament"], settings["population"])
    return make_strategy(request.strategy, settings)


def _evolution(request: SearchRequest, plan: Plan) -> EvolutionDefaults:
    """Return what holds unless other settings are asked for: the study's, or the family's.

    At least half of the evaluations are left to children, and a tournament stays the same share of
    a population that is smaller for it.
    """
    config = _config_of(request)
    if config is not None:
        names = EvolutionDefaults.model_fields.keys() & config.strategy.keys()
        return EvolutionDefaults(**{name: config.strategy[name] for name in names})
    defaults = searched_family(request.family).evolution
    population = max(min(defaults.population, plan.evaluations // 2), 1)
    tournament = max(defaults.tournament * population // defaults.population, 1)
    return defaults.model_copy(update={"population": population, "tournament": tournament})


def searched_family(name: str) -> Family:
    """Return a family that has a space.

    Raises:
        UserError: there is none of this name.
    """
    searched = {key: family for key, family in families().items() if family.space is not None}
    if name not in searched:
        raise UserError(
            f"There is no family {name!r} that can be searched; {suggest(name, searched)}"
        )
    return searched[name]


def planned_space(request: SearchRequest, **extent: int) -> Space:
    """Return the family's space for such clips.

    Raises:
        UserError: the family is unknown, is not searched, or does not take the modalities.
    """
    make = searched_family(request.family).space
    assert make is not None  # excluded above
    return make(**extent, modalities=request.input)


def brief_training(request: SearchRequest, plan: Plan) -> TrainingSettings:
    """Return how candidates are trained; a study keeps how it was started, unless told otherwise.

    Raises:
        UserError: the search is to be deterministic, and candidates would be trained by time.
    """
    epochs, budget_s = request.candidate_epochs, request.candidate_time_s
    if epochs is None and budget_s is None:
        budget_s, config = plan.candidate_s, _config_of(request)
        if config is not None:
            before = ClipEvaluation.of_study(config).training
            epochs, budget_s = before.epochs, before.budget_s
    if request.deterministic and budget_s is not None:
        raise UserError(
            "A deterministic search cannot train candidates with a time limit, because timings "
            "vary; give --candidate-epochs 5 and no --candidate-time."
        )
    return TrainingSettings(
        epochs=epochs,
        budget_s=budget_s,
        augmentation=Augmentation(flip=request.flip),
    )


def _config_of(request: SearchRequest) -> StudyConfig | None:
    """Return what the study in the requested folder was started with, or None without a study."""
    config = request.out / CONFIG_NAME
    return StudyConfig.read(config) if config.is_file() else None
