"""The whole of `vidnas search`: clips, evolution, full training, test, export, report."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from vidnas.cli.clips import open_clips
from vidnas.cli.console import messages
from vidnas.cli.durations import format_duration
from vidnas.cli.live import SearchDisplay
from vidnas.cli.page import WINNER_FILE, read_record, write_page, write_record
from vidnas.cli.watching import Watcher
from vidnas.core import Cost, Modality, UserError
from vidnas.core.process import available_cores
from vidnas.core.value import Value
from vidnas.data.cache import ClipCache
from vidnas.data.sampling import Augmentation
from vidnas.deploy.export import export_model
from vidnas.deploy.finalists import Finalist, train_finalists
from vidnas.deploy.model import Model, load_model, save_model
from vidnas.evolution.config import StudyConfig
from vidnas.evolution.engine import Event, run_search
from vidnas.evolution.evaluator import ClipEvaluator, Evaluator
from vidnas.evolution.executors import LocalExecutor
from vidnas.evolution.halving import RUNGS
from vidnas.evolution.limits import Limits
from vidnas.evolution.local_search import LocalSearch
from vidnas.evolution.pareto import OBJECTIVES, Objective, ParetoEvolution
from vidnas.evolution.strategies import RandomSearch, Strategy, TournamentEvolution
from vidnas.evolution.study import Study
from vidnas.evolution.weights import WeightFolder
from vidnas.families import EvolutionDefaults, Family, Network, Space, families
from vidnas.profiling.counting import count_cost
from vidnas.profiling.latency import calibrate, measure_latency
from vidnas.report.study import Winner
from vidnas.training import Metrics, TrainingSettings, evaluate

if TYPE_CHECKING:
    from vidnas.evolution.ray_executor import RayExecutor

SEARCH_SHARE, TRAINING_SHARE = 0.65, 0.3
"""Of the whole budget; what is left goes to start-up, testing, export and the report."""
_CANDIDATES = 60
"""Evaluations that the default time for a candidate leaves room for."""
_CANDIDATE_S = (6.0, 60.0)
_DEFAULT_CANDIDATE_S = 20.0
_FULL_TO_BRIEF = 10
_TEST_CLIPS = 3
REQUEST_FILE = "request.json"
ONNX_FILE = "model.onnx"
WEIGHTS_FOLDER = "weights"
_DEADLINE_FACTOR, _DEADLINE_EXTRA_S = 3.0, 60.0


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
    storage: str | None = None
    executor: Literal["local", "ray"] = "local"
    address: str | None = None
    gpus_per_candidate: float = 0.0

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


class SearchOutcome(Value):
    """What came of it."""

    trial: int
    architecture: dict[str, Any]
    test: Metrics
    cost: Cost
    """The latency is that of the exported network on the machine at rest."""
    within_limits: bool
    export_difference: float
    model: str
    onnx: str
    report: str
    seconds: float


class _Plan(Value):
    """Times that follow from the request."""

    search_s: float | None
    candidate_s: float
    train_s: float
    evaluations: int
    """As many as were asked for, or as the time allows."""

    @classmethod
    def of(cls, request: SearchRequest, workers: int) -> _Plan:
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


def search(request: SearchRequest, watchers: Sequence[Watcher] = ()) -> SearchOutcome:
    """Search, train the best in full, test, export and report.

    Args:
        request: what to search for.
        watchers: are told of every trial, also of those of earlier runs that they do not know.

    Raises:
        UserError: the clips, the limits, the study's folder or a setting cannot be used.
    """
    began = time.monotonic()
    limits = Limits.parse(request.limits)
    executor = _executor(request)
    plan = _Plan.of(request, executor.slots)
    strategy = _strategy(request, plan)
    _space(request)  # refuses what the family does not take before any clip is read
    cache = open_clips(
        request.clips, size_px=request.size_px, seed=request.seed, modalities=request.modalities
    )
    space = _space(request, max_size_px=cache.size_px, max_frames=cache.typical_frames)
    settings = _brief_settings(request, plan)
    config = StudyConfig(
        family=request.family,
        space=space.describe(),
        classes=cache.classes,
        data_fingerprint=cache.fingerprint,
        limits=limits,
        strategy=strategy.describe(),
        training={
            **settings.model_dump(mode="json"),
            **cache.settings(request.modalities),
            "inherit": request.inherit,
        },
        seed=request.seed,
    )
    with Study.create_or_resume(request.out, config, request.storage) as study:
        # Where the clips lie may be relative to where the command was typed. Where the trials are
        # the study remembers, without a password.
        asked = request.model_copy(update={"clips": request.clips.resolve(), "storage": None})
        write_record(asked, request.out / REQUEST_FILE)
        # Before any worker is started: the machine is at rest.
        reference = calibrate(runtime=request.runtime, threads=request.threads)
        evaluator = ClipEvaluator(
            cache.directory,
            settings,
            limits,
            reference,
            request.runtime,
            threads=request.threads,
            # Workers may have another working directory.
            weights=WeightFolder((request.out / WEIGHTS_FOLDER).resolve())
            if request.inherit
            else None,
            device="cuda" if request.gpus_per_candidate else "cpu",
        )
        try:
            _evolve(request, plan, study, space, evaluator, strategy, executor, watchers)
        finally:
            write_page(study, request.title)
        finalists = _train_finalists(request, plan, study, cache)
        outcome = _crown(request, study, cache, finalists)
    return outcome.model_copy(update={"seconds": time.monotonic() - began})


def describe_strategy(request: SearchRequest) -> dict[str, Any]:
    """The strategy of a search for this request, as the config of its study has it."""
    plan = _Plan.of(request, request.workers or available_cores())
    return _strategy(request, plan).describe()


def _executor(request: SearchRequest) -> LocalExecutor | RayExecutor:
    """Where candidates run; it starts or joins a cluster, but no worker yet."""
    if request.executor == "local":
        if request.address or request.gpus_per_candidate:
            raise UserError(
                "--address and --gpus-per-candidate are of a Ray cluster; add --executor ray, or "
                "leave them out."
            )
        return LocalExecutor(request.workers)
    from vidnas.evolution.ray_executor import RayExecutor

    return RayExecutor(request.address, gpus_per_candidate=request.gpus_per_candidate)


def _strategy(request: SearchRequest, plan: _Plan) -> Strategy:
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


def _evolution(request: SearchRequest, plan: _Plan) -> EvolutionDefaults:
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


def _space(request: SearchRequest, **extent: int) -> Space:
    make = _family(request.family).space
    if make is None:  # excluded above; the type checker cannot know
        raise UserError(f"The family {request.family!r} has no space.")
    return make(**extent, modalities=request.modalities)


def _brief_settings(request: SearchRequest, plan: _Plan) -> TrainingSettings:
    """A study that is there keeps the candidate time that it was started with, unless told."""
    epochs, budget_s = request.candidate_epochs, request.candidate_s
    config = request.out / "config.yaml"
    if epochs is None and budget_s is None:
        there = StudyConfig.read(config).training if config.is_file() else {}
        epochs, budget_s = there.get("epochs"), there.get("budget_s", plan.candidate_s)
    return TrainingSettings(
        epochs=epochs,
        budget_s=budget_s,
        augmentation=Augmentation(flip=request.flip),
        rungs=RUNGS if request.early_stop else (),
    )


def _evolve(
    request: SearchRequest,
    plan: _Plan,
    study: Study,
    space: Space,
    clip_evaluator: ClipEvaluator,
    strategy: Strategy,
    executor: LocalExecutor | RayExecutor,
    watchers: Sequence[Watcher],
) -> None:
    deadline_s = None
    if brief_s := clip_evaluator.settings.budget_s:  # a training in epochs takes what it takes
        deadline_s = _DEADLINE_FACTOR * brief_s + _DEADLINE_EXTRA_S
        executor.timeout_s = deadline_s + _DEADLINE_EXTRA_S
    evaluator: Evaluator = clip_evaluator
    if request.executor == "ray":
        from vidnas.evolution.shipping import ShippedEvaluator

        evaluator = ShippedEvaluator.of(clip_evaluator)
    limits = str(study.config.limits)
    messages.print(
        f"Searching {request.family} with {executor.slots} worker(s)"
        f"{f' within {limits}' if limits else ''}; Ctrl-C ends it, nothing finished is lost."
    )
    name, *settings = study.config.strategy.items()
    described = ", ".join(
        f"{key.replace('_', ' ')} {' and '.join(value) if isinstance(value, list) else value}"
        for key, value in settings
    )
    messages.print(f"Strategy: {name[1]}{f' ({described})' if described else ''}.")
    with (
        executor,
        SearchDisplay(request.evaluations, plan.search_s) as display,
    ):

        def tell(event: Event) -> None:
            display.update(event)
            for watcher in watchers:
                watcher.update(event)

        for watcher in watchers:
            watcher.catch_up(study.trials)
        run_search(
            study,
            space,
            evaluator,
            strategy,
            executor,
            evaluations=request.evaluations,
            budget_s=plan.search_s,
            deadline_s=deadline_s,
            on_event=tell,
        )


def _train_finalists(
    request: SearchRequest, plan: _Plan, study: Study, cache: ClipCache
) -> list[Finalist]:
    workers = request.workers or available_cores()  # of this machine, where the models are kept
    best = study.fittest(workers)
    if not best:
        raise UserError(
            f"Not one of {len(study.trials)} candidates could be trained; see {request.out} for "
            "why each failed, and give more time or a higher limit."
        )
    settings = TrainingSettings.full(budget_s=plan.train_s, flip=request.flip)
    names = " and ".join(str(trial.number) for trial in best)
    messages.print(
        f"Training trial {names} in full, {format_duration(plan.train_s)}; validation picks one."
    )
    with (
        LocalExecutor(workers) as executor,
        Progress(
            TextColumn("Training"), BarColumn(), TimeRemainingColumn(),
            console=messages, transient=True,
        ) as progress,
    ):  # fmt: skip
        task = progress.add_task("", total=plan.train_s)
        began = time.monotonic()
        return train_finalists(
            best,
            cache,
            settings,
            executor,
            request.out / "finalists",
            seed=request.seed,
            on_tick=lambda: progress.update(task, completed=time.monotonic() - began),
        )


def _crown(
    request: SearchRequest, study: Study, cache: ClipCache, finalists: list[Finalist]
) -> SearchOutcome:
    """Test the best finalist within the limits, export it and write the report."""
    limits, folder = study.config.limits, request.out / "best"
    costs = [cost_at_rest(load_model(one.folder).network, request) for one in finalists]
    held = [limits.broken_by(cost) is None for cost in costs]
    chosen = held.index(True) if any(held) else 0
    winner, cost = finalists[chosen], costs[chosen]
    trained = load_model(winner.folder)
    test = evaluate(trained.network, cache, "test", clips_per_video=_TEST_CLIPS)
    card = trained.card.model_copy(update={"test": test, "cost": cost})
    model = Model(trained.network, trained.classes, card)
    save_model(model, folder)
    check = export_model(model, folder / ONNX_FILE)
    found = Winner(
        number=winner.trial.number,
        architecture=model.architecture,
        cost=cost,
        test=test,
        export_difference=check.largest_difference,
    )
    write_record(found, request.out / WINNER_FILE)
    page = write_page(study, request.title)
    return SearchOutcome(
        trial=winner.trial.number,
        architecture=json.loads(model.architecture.to_json()),
        test=test,
        cost=cost,
        within_limits=held[chosen],
        export_difference=check.largest_difference,
        model=str(folder),
        onnx=str(folder / ONNX_FILE),
        report=str(page),
        seconds=0.0,
    )


def cost_at_rest(network: Network, request: SearchRequest) -> Cost:
    """What a network costs while nothing else runs."""
    latency = measure_latency(network, runtime=request.runtime, threads=request.threads)
    counted = count_cost(network.architecture, network.num_classes)
    return counted.model_copy(update={"latency": latency})
