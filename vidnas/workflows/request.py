"""What `vidnas search` was asked for, and what follows from it before any clip is read."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

from vidnas.core import Modality, UserError
from vidnas.core.process import available_cores
from vidnas.core.value import Value
from vidnas.data.sampling import Augmentation
from vidnas.evolution import strategies
from vidnas.evolution.clip_evaluator import ClipEvaluation
from vidnas.evolution.config import StudyConfig
from vidnas.evolution.early_stopping import RUNGS
from vidnas.evolution.strategies import Strategy, strategy_settings
from vidnas.evolution.strategies.pareto import Objective
from vidnas.families import EvolutionDefaults, Family, Space, families
from vidnas.training import TrainingSettings
from vidnas.workflows.page import read_record

REQUEST_FILE = "request.json"
SEARCH_SHARE, TRAINING_SHARE = 0.65, 0.3
"""Of the whole budget; what is left goes to start-up, testing, export and the report."""
_CANDIDATES = 60
"""Evaluations that the default time for a candidate leaves room for."""
_CANDIDATE_S = (6.0, 60.0)
_DEFAULT_CANDIDATE_S = 20.0
_FULL_TO_BRIEF = 13  # docs/fidelity.md


class SearchRequest(Value):
    """What `vidnas search` was asked for; None where the default depends on the rest."""

    clips: Path
    out: Path
    limits: tuple[str, ...]
    budget_s: float | None
    evaluations: int | None
    family: str
    modalities: tuple[Modality, ...]
    strategy: Literal["evolution", "random", "local", "pareto"]
    objectives: tuple[Objective, ...] | None = None
    population: int | None
    tournament: int | None
    discard: Literal["worst", "oldest"]
    mutations: int | None
    mutation_decay: float | None
    guided: bool
    candidate_s: float | None
    candidate_epochs: float | None = None
    inherit: bool = False
    early_stop: bool = False
    train_s: float | None
    workers: int | None
    threads: int
    runtime: str
    size_px: int | None
    flip: bool
    seed: int
    deterministic: bool = False
    storage: str | None = None
    executor: Literal["local", "ray"] = "local"
    address: str | None = None
    gpus_per_candidate: float | Literal["auto"] = 0.0

    @property
    def title(self) -> str:
        """Name of the clips, also where they are given as "."."""
        return self.clips.resolve().stem

    @property
    def search_s(self) -> float | None:
        """The part of the budget that the search may take; the rest is for what follows."""
        return SEARCH_SHARE * self.budget_s if self.budget_s else None

    @classmethod
    def read(cls, folder: Path) -> SearchRequest:
        """What the study in the folder was last asked for.

        Raises:
            UserError: it was not made by `vidnas search`, or the file is damaged.
        """
        request = read_record(cls, folder / REQUEST_FILE)
        if request is None:
            raise UserError(
                f"{folder} has no {REQUEST_FILE}, so its clips are unknown; run its vidnas search "
                "command again, which resumes it."
            )
        return request


class Plan(Value):
    """Times that follow from the request."""

    search_s: float | None
    candidate_s: float
    train_s: float
    evaluations: int
    """As many as were asked for, or as the time allows."""

    @classmethod
    def of(cls, request: SearchRequest, workers: int) -> Plan:
        """The times for a request.

        Raises:
            UserError: it has no end.
        """
        budget_s = request.budget_s
        if budget_s is None and request.evaluations is None:
            raise UserError("The search has no end; give --budget 30m, --evaluations 100, or both.")
        search_s = request.search_s
        candidate_s = request.candidate_s or _DEFAULT_CANDIDATE_S
        if request.candidate_s is None and search_s:
            low, high = _CANDIDATE_S
            candidate_s = min(max(search_s * workers / _CANDIDATES, low), high)
        train_s = request.train_s or (
            TRAINING_SHARE * budget_s if budget_s else _FULL_TO_BRIEF * candidate_s
        )
        in_time = search_s * workers / candidate_s if search_s else math.inf
        evaluations = int(min(request.evaluations or math.inf, in_time))
        return cls(
            search_s=search_s, candidate_s=candidate_s, train_s=train_s, evaluations=evaluations
        )


def describe_strategy(request: SearchRequest) -> dict[str, Any]:
    """The strategy of a search for this request, as the config of its study has it."""
    plan = Plan.of(request, request.workers or available_cores())
    return make_strategy(request, plan).describe()


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
    known = {*strategy_settings(request.strategy)}
    settings: dict[str, Any] = {}
    if known >= EvolutionDefaults.model_fields.keys():
        settings = _evolution(request, plan).model_dump()
    settings |= request.model_dump(include=known, exclude_none=True)
    if request.tournament is None and "tournament" in settings:
        settings["tournament"] = min(settings["tournament"], settings["population"])
    return strategies.make_strategy(request.strategy, settings)


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
            f"There is no family {name!r} that can be searched; choose one of "
            f"{', '.join(searched)}."
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
    return make(**extent, modalities=request.modalities)


def brief_settings(request: SearchRequest, plan: Plan) -> TrainingSettings:
    """How candidates are trained; a study that is there keeps how it was started, unless told.

    Raises:
        UserError: the search is to be deterministic, and candidates would be trained by time.
    """
    epochs, budget_s = request.candidate_epochs, request.candidate_s
    config = request.out / "config.yaml"
    if epochs is None and budget_s is None:
        budget_s = plan.candidate_s
        if config.is_file():
            there = ClipEvaluation.of_study(StudyConfig.read(config)).training
            epochs, budget_s = there.epochs, there.budget_s
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
