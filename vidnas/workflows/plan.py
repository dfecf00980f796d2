"""How a search spends its time, and how its candidates are proposed and trained."""

from __future__ import annotations

import math

from vidnas.core import UserError
from vidnas.core.durations import format_duration
from vidnas.core.names import suggest
from vidnas.core.value import Value
from vidnas.data.sampling import Augmentation
from vidnas.evolution.config import StudyConfig
from vidnas.evolution.halving import RUNGS
from vidnas.evolution.local_search import LocalSearch
from vidnas.evolution.pareto import OBJECTIVES, ParetoEvolution
from vidnas.evolution.strategies import RandomSearch, Strategy, TournamentEvolution
from vidnas.families import EvolutionDefaults, Family, Space, families
from vidnas.training import TrainingSettings
from vidnas.workflows.request import SearchRequest

_TRAINING_SHARE = 1 / 3
"""The share of the final training, of the time that the rest leaves."""
_REST_SHARE, _LEAST_REST_S = 0.05, 12.0
"""Start-up, testing, export and the page; the least was measured on generated clips."""
_STARTING_S = 4.0
"""Until the workers have imported torch and measured a first latency."""
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
            train_s = request.train_time_s or _TRAINING_SHARE * (budget_s - rest_s)
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
    """Refuse a budget in which not even one round of candidates has room.

    Raises:
        UserError: the budget is too small; the sentence names the time that is needed.
    """
    needed_s = _STARTING_S + 2 * candidate_s
    if search_s >= needed_s:
        return
    least_s = _LEAST_REST_S + (
        needed_s + request.train_time_s
        if request.train_time_s
        else needed_s / (1 - _TRAINING_SHARE)
    )
    raise UserError(
        f"--budget {format_duration(request.budget_s or 0)} leaves "
        f"{format_duration(max(search_s, 0))} to search, and a first round of candidates needs "
        f"{format_duration(needed_s)}; give --budget {math.ceil(least_s / 10) * 10}s or more."
    )


def make_strategy(request: SearchRequest, plan: Plan) -> Strategy:
    """The strategy that was asked for, with what else the request, the study or the family says.

    Raises:
        UserError: its settings do not go together.
    """
    if request.objectives and request.strategy != "pareto":
        raise UserError(
            f"The strategy {request.strategy} knows no objectives; add --strategy pareto, or leave "
            "--objective out."
        )
    if request.strategy == "random":
        return RandomSearch()
    if request.strategy == "local":
        return LocalSearch(guided=request.guided)
    names = set(EvolutionDefaults.model_fields)
    settings = _evolution(request, plan).model_dump()
    settings |= request.model_dump(include=names, exclude_none=True)
    if request.tournament is None:
        settings["tournament"] = min(settings["tournament"], settings["population"])
    settings["guided"] = request.guided
    if request.strategy == "pareto":
        return ParetoEvolution(**settings, objectives=request.objectives or OBJECTIVES)
    return TournamentEvolution(**settings, discard=request.discard)


def _evolution(request: SearchRequest, plan: Plan) -> EvolutionDefaults:
    """What holds where nothing is asked for: the settings of the study there, or the family's.

    Half of the evaluations at least are left to children, and a tournament stays the same share of
    a population that is smaller for it.
    """
    config = request.out / "config.yaml"
    if config.is_file():
        there = StudyConfig.read(config).strategy
        names = EvolutionDefaults.model_fields.keys() & there.keys()
        return EvolutionDefaults(**{name: there[name] for name in names})
    defaults = _family(request.family).evolution
    population = max(min(defaults.population, plan.evaluations // 2), 1)
    tournament = max(defaults.tournament * population // defaults.population, 1)
    return defaults.model_copy(update={"population": population, "tournament": tournament})


def _family(name: str) -> Family:
    searched = {key: family for key, family in families().items() if family.space is not None}
    if name not in searched:
        raise UserError(
            f"There is no family {name!r} that can be searched; {suggest(name, searched)}"
        )
    return searched[name]


def make_space(request: SearchRequest, **extent: int) -> Space:
    """The family's space for such clips.

    Raises:
        UserError: the family is unknown, is not searched, or does not take the modalities.
    """
    make = _family(request.family).space
    if make is None:  # excluded above; the type checker cannot know
        raise UserError(f"The family {request.family!r} has no space.")
    return make(**extent, modalities=request.input)


def brief_settings(request: SearchRequest, plan: Plan) -> TrainingSettings:
    """How candidates are trained; a study that is there keeps how it was started, unless told.

    Raises:
        UserError: the search is to be deterministic, and candidates would be trained by time.
    """
    epochs, budget_s = request.candidate_epochs, request.candidate_time_s
    config = request.out / "config.yaml"
    if epochs is None and budget_s is None:
        there = StudyConfig.read(config).training if config.is_file() else {}
        epochs, budget_s = there.get("epochs"), there.get("budget_s", plan.candidate_s)
    if request.deterministic and budget_s is not None:
        raise UserError(
            "A deterministic search cannot train candidates by time, which never passes twice "
            "alike; say --candidate-epochs 5 and no --candidate-time."
        )
    return TrainingSettings(
        epochs=epochs,
        budget_s=budget_s,
        augmentation=Augmentation(flip=request.flip),
        rungs=RUNGS if request.early_stop else (),
    )
