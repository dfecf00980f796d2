"""How a search spends its time, and how its candidates are proposed and trained."""

from __future__ import annotations

import math
from typing import Any

from vidnas.core import UserError
from vidnas.core.clip import Sampling
from vidnas.core.durations import format_duration
from vidnas.core.names import suggest
from vidnas.core.value import Value
from vidnas.evolution.clip_evaluator import ClipEvaluation
from vidnas.evolution.config import StudyConfig
from vidnas.evolution.ladder import ETA
from vidnas.evolution.strategies import STRATEGIES, Strategy, make_strategy, strategy_settings
from vidnas.evolution.study import CONFIG_NAME
from vidnas.families import EvolutionDefaults, Family, Space, families
from vidnas.training import TrainingSettings
from vidnas.training.settings import AUGMENTATION
from vidnas.workflows.request import SearchRequest

_FINISH_SHARE, _REST_SHARE = 0.45, 0.05
"""Shares of the budget: the cool-down of the best, and start-up, testing, export and the page."""
_OF_WORK = _FINISH_SHARE / (1 - _REST_SHARE)
"""The share of the cool-down in what is left for search and cool-down."""
_LEAST_REST_S = 15.0
"""Allowed for start-up, testing, export and the page, however small the budget is."""
_STARTING_S = 4.0
"""Allowed until the workers have imported torch and measured a first latency."""
_EPOCHS, _STEPS = 3, 200
"""What a first rung should have, if the budget allows: on lips, networks of whole clips stay
at chance for 130 steps or more."""
_BATCH_SIZE = TrainingSettings.model_fields["batch_size"].default
_CLIPS_PER_S = 100
"""Pace at which an ordinary network trains on one core; slower ones see fewer clips."""
_FEWEST_BORN = 36
"""As many candidates as one or two workers would train on the first rung alone, or more."""
_LEAST_RUNG_S = 3.0
_TOP_SHARE = 1 / 2
"""The most of a search's work that climbing to the top rung may take."""
_TOP_TIME = 2 / 3
"""The most of its time: before a candidate climbs to the top, others have to come as far."""
_RUNGS = 3
"""Rungs where no budget says how many there is time for."""
_TRIMMED_FRAMES = 300
"""Ten seconds at 30 frames per second: the length of clips in the common sets of actions."""
_TOP_K = 20
"""Candidates of a search that stays on one rung."""
_FINISH_TO_RUNG = 13
"""Cool-down against the first rung where no budget limits it: half of what three rungs take."""


class Plan(Value):
    """The times of a search, which follow from its request, its clips and its workers."""

    budget_s: float | None
    search_s: float | None
    """None where only the number of evaluations ends the search."""
    rungs: int
    epochs: float | None
    """Epochs of the first rung, the nearer of the two ends; each further one is three times as far.
    """
    rung_s: float | None
    """Time of the first rung."""
    finish_s: float
    """Time of the cool-down of the best."""
    rest_s: float
    """For start-up, testing, export and the page."""
    evaluations: int
    """As many as were asked for, or about as many as the time allows."""

    @classmethod
    def of(cls, request: SearchRequest, clips: int, workers: int) -> Plan:
        """Return the times for a request.

        Args:
            request: what is asked for.
            clips: number of training clips.
            workers: number of candidates that train at the same time.

        Raises:
            UserError: the search would have no end, its budget is too small, or it is to be
                deterministic and candidates would be trained by time.
        """
        budget_s = request.budget_s
        if budget_s is None and request.evaluations is None:
            raise UserError("The search has no end; give --budget 30m, --evaluations 100, or both.")
        search_s, finish_s = search_time(request), request.train_time_s
        rest_s = max(_REST_SHARE * (budget_s or 0.0), _LEAST_REST_S)
        if budget_s is not None and search_s is not None:
            finish_s = budget_s - rest_s - search_s
        work_s = None if search_s is None else search_s * workers
        epochs, rung_s = _first_rung(request, clips, work_s, workers)
        if search_s is not None:
            require_enough(request, search_s, _STARTING_S + 2 * (rung_s or 0.0))
        expected_s = rung_s or (epochs or 1) * clips / _CLIPS_PER_S
        rungs = _rungs(request, search_s, workers, expected_s)
        born = math.inf if work_s is None else work_s / expected_s / _cost(rungs)
        return cls(
            budget_s=budget_s,
            search_s=search_s,
            rungs=rungs,
            epochs=epochs,
            rung_s=rung_s,
            finish_s=finish_s or _FINISH_TO_RUNG * expected_s,
            rest_s=rest_s,
            evaluations=int(min(request.evaluations or math.inf, max(born, 1))),
        )

    def finish_after(self, searched_s: float, judging_s: float) -> float:
        """Return the time of the cool-down, between a half of what was planned and twice that.

        It has what the search leaves, or pays for what that took too long; and what start-up and
        judging leave of the rest of the budget, or take beyond it.

        Args:
            searched_s: how long the search took.
            judging_s: how long it takes to judge what is finished.
        """
        if self.budget_s is None or self.search_s is None:
            return self.finish_s
        left_s = self.finish_s + self.search_s - searched_s
        left_s += self.rest_s - _STARTING_S - judging_s
        return min(max(left_s, self.finish_s / 2), 2 * self.finish_s)

    def overrun(self, searched_s: float, finish_s: float, judging_s: float) -> str | None:
        """Return a sentence on a search that takes longer than its budget; None if it does not.

        Args:
            searched_s: how long the search took.
            finish_s: the time of the cool-down.
            judging_s: how long it takes to judge what is finished.
        """
        most_s = math.inf if self.budget_s is None else (1 + _REST_SHARE) * self.budget_s
        trained_s = searched_s + finish_s
        if self.budget_s is None or trained_s + judging_s <= most_s:
            return None
        cause = (
            "so long it takes to ask what is finished about all videos of the validation and the "
            "test split"
            if trained_s <= self.budget_s
            else f"{format_duration(searched_s)} were searched, and finishing the best takes "
            f"{format_duration(finish_s)}"
        )
        return (
            f"The search is going to take about {format_duration(trained_s + judging_s)} in all, "
            f"longer than its budget of {format_duration(self.budget_s)}: {cause}."
        )

    def __str__(self) -> str:
        finish = f"{format_duration(self.finish_s)} to finish the best"
        rest = f"about {format_duration(self.rest_s)} for start-up, testing and export"
        first = [f"{self.epochs:.3g} epochs"] if self.epochs else []
        first += [format_duration(self.rung_s)] if self.rung_s else []
        ladder = f"{self.rungs} rungs, the first" if self.rungs > 1 else "one rung"
        ladder = f"{ladder} of {' or '.join(first)}"
        if self.search_s is None:
            return f"{self.evaluations} candidates on {ladder}, {finish}, {rest}"
        return (
            f"{format_duration(self.search_s)} of search (about {self.evaluations} candidates on "
            f"{ladder}), {finish}, {rest}"
        )


def search_time(request: SearchRequest) -> float | None:
    """Return the time in which candidates climb; None where no budget limits it."""
    if request.budget_s is None:
        return None
    left_s = request.budget_s - max(_REST_SHARE * request.budget_s, _LEAST_REST_S)
    return left_s - (request.train_time_s or _OF_WORK * left_s)


def _first_rung(
    request: SearchRequest, clips: int, work_s: float | None, workers: int
) -> tuple[float | None, float | None]:
    """Return the epochs and the time of the first rung; a study keeps how it was started, unless
    told otherwise.

    Raises:
        UserError: the search is to be deterministic, and candidates would be trained by time.
    """
    epochs, rung_s = request.candidate_epochs, request.candidate_time_s
    if epochs is None and rung_s is None:
        config = _config_of(request)
        if config is not None:
            before = ClipEvaluation.of_study(config).training
            epochs, rung_s = before.epochs, before.budget_s
        else:
            seen = max(_EPOCHS * clips, _STEPS * _BATCH_SIZE)
            most_s = math.inf if work_s is None else work_s / _fewest(request, workers)
            rung_s = max(min(seen / _CLIPS_PER_S, most_s), _LEAST_RUNG_S)
            epochs = rung_s * _CLIPS_PER_S / clips
    if request.deterministic and rung_s is not None:
        raise UserError(
            "A deterministic search cannot train candidates with a time limit, because timings "
            "vary; give --candidate-epochs 5 and no --candidate-time."
        )
    return epochs, rung_s


def _rungs(request: SearchRequest, search_s: float | None, workers: int, rung_s: float) -> int:
    """Return how many rungs a search has room for; a study keeps its own."""
    config = _config_of(request)
    if config is not None:
        return config.rungs
    if request.strategy == "top-k":
        return 1
    if search_s is None:
        return _RUNGS
    most_s = min(_TOP_SHARE * workers, _TOP_TIME) * search_s  # a candidate climbs on one core
    rungs = 1
    while rung_s * ETA**rungs <= most_s:
        rungs += 1
    return rungs


def _fewest(request: SearchRequest, workers: int) -> float:
    """Return how many candidates the work of a search has room for on the first rung, at least.

    More workers train more of them: they do not shorten the way of one to the top.
    """
    least = _TOP_K if request.strategy == "top-k" else _FEWEST_BORN
    return least * max(workers / 2, 1.0)


def _cost(rungs: int) -> float:
    """Return what a candidate costs with its share of the higher rungs, in first rungs.

    A rung trains three times as long as the one below. The best third climbs to it, and of the
    others the best of each niche: about half in all.
    """
    return 1 + (rungs - 1) * (ETA - 1) / 2


def require_enough(request: SearchRequest, search_s: float, needed_s: float) -> None:
    """Reject a budget in which not even one round of candidates has room.

    Raises:
        UserError: the budget is too small; the sentence names the time that is needed.
    """
    if search_s >= needed_s:
        return
    work_s = needed_s + request.train_time_s if request.train_time_s else needed_s / (1 - _OF_WORK)
    least_s = max(work_s + _LEAST_REST_S, work_s / (1 - _REST_SHARE))
    raise UserError(
        f"--budget {format_duration(request.budget_s or 0)} leaves "
        f"{format_duration(max(search_s, 0))} to search, and a first round of candidates needs "
        f"{format_duration(needed_s)}; give --budget {int(least_s // 10 + 1) * 10}s or more."
    )


def planned_strategy(request: SearchRequest, plan: Plan) -> Strategy:
    """Return the strategy that was asked for; the study or the family say what else it needs.

    Raises:
        UserError: its settings do not go together.
    """
    _require_used(request)
    known = {*strategy_settings(request.strategy)}
    settings: dict[str, Any] = {}
    if known >= EvolutionDefaults.model_fields.keys():
        settings = _evolution(request, plan).model_dump()
    asked = request.model_dump(include=known, exclude_none=True)
    settings |= {name: value for name, value in asked.items() if value != ()}
    if request.tournament is None and "tournament" in settings:
        settings["tournament"] = min(settings["tournament"], settings["population"])
    return make_strategy(request.strategy, settings)


def unused_settings(request: SearchRequest) -> dict[str, Any]:
    """Return the settings of strategies that were asked for and that this one does not have, each
    with its default."""
    known = {name for one in STRATEGIES for name in strategy_settings(one)}
    known -= {*strategy_settings(request.strategy)}
    defaults = {
        name: field.default for name, field in SearchRequest.model_fields.items() if name in known
    }
    return {name: one for name, one in defaults.items() if getattr(request, name) != one}


def _require_used(request: SearchRequest) -> None:
    for name, default in unused_settings(request).items():
        option = SearchRequest.option(name)
        having = [one for one in STRATEGIES if name in strategy_settings(one)]
        raise UserError(
            f"The strategy {request.strategy} has no use for "
            f"{option.replace('--', '--no-') if default is True else option}; leave it out, or "
            f"choose --strategy {' or '.join(having)}."
        )


def _evolution(request: SearchRequest, plan: Plan) -> EvolutionDefaults:
    """Return what holds unless other settings are asked for: the study's as far as its strategy has
    them, else the family's.

    At least half of the evaluations are left to children. Of a population that is smaller for it, a
    tournament stays the same share, and children get fewer mutations, and sooner one alone.
    """
    defaults = searched_family(request.family).evolution
    population = max(min(defaults.population, plan.evaluations // 2), 1)
    share = population / defaults.population
    scaled = EvolutionDefaults(
        population=population,
        tournament=max(int(defaults.tournament * share), 1),
        mutations=max(round(defaults.mutations * share), 1),
        mutation_decay=max(defaults.mutation_decay * share, 1.0),
    )
    config = _config_of(request)
    kept = {} if config is None else config.strategy
    return scaled.model_copy(
        update={name: kept[name] for name in EvolutionDefaults.model_fields if name in kept}
    )


def planned_inheritance(request: SearchRequest) -> bool:
    """Return whether children start from what their parents learned; a study keeps its own way,
    unless told otherwise.

    A local search moves to a neighbour that is better than the incumbent was on the lowest rung:
    one that inherits has been trained for longer, and would be better whatever was changed in it.

    Raises:
        UserError: the search is to be deterministic as well.
    """
    if request.inherit is None:
        config = _config_of(request)
        if config is not None:
            return ClipEvaluation.of_study(config).inherit
        return not request.deterministic and request.strategy != "local"
    if request.inherit and request.deterministic:
        raise UserError(
            "In a deterministic search children cannot inherit, because what a parent has learned "
            "by the time that a child starts depends on timings; leave out --inherit."
        )
    return request.inherit


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


def planned_sampling(longest_frames: int) -> tuple[Sampling, ...]:
    """Return the samplings to search, the one that the designs have first.

    Videos that are short throughout are taken for single actions, trimmed to their length: frames
    spread over the whole of each show all of the action, however long it takes.
    """
    return ("uniform", "dense") if longest_frames <= _TRIMMED_FRAMES else ("dense", "uniform")


def planned_space(request: SearchRequest, **extent: Any) -> Space:
    """Return the family's space for such clips.

    Raises:
        UserError: the family is unknown, is not searched, or does not take the modalities.
    """
    make = searched_family(request.family).space
    assert make is not None  # excluded above
    return make(**extent, modalities=request.input)


def rung_training(request: SearchRequest, plan: Plan) -> TrainingSettings:
    """Return how candidates are trained on the first rung; a study keeps its recipe, also where
    that of this version is another."""
    config = _config_of(request)
    recipe = TrainingSettings(epochs=plan.epochs, budget_s=plan.rung_s, augmentation=AUGMENTATION)
    if config is not None:
        recipe = ClipEvaluation.of_study(config).training
    return recipe.model_copy(
        update={
            "epochs": plan.epochs,
            "budget_s": plan.rung_s,
            "class_weights": request.class_weights,
            "augmentation": recipe.augmentation.model_copy(update={"flip": request.flip}),
        }
    )


def _config_of(request: SearchRequest) -> StudyConfig | None:
    """Return what the study in the requested folder was started with, or None without a study."""
    config = request.out / CONFIG_NAME
    return StudyConfig.read(config) if config.is_file() else None
