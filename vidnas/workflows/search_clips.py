"""The whole of `vidnas search`: clips, evolution, full training, test, export, report."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from vidnas.cli.console import messages
from vidnas.cli.live import SearchDisplay
from vidnas.core import Cost, UserError
from vidnas.core.durations import format_duration
from vidnas.core.process import available_cores
from vidnas.core.value import Value
from vidnas.data.cache import ClipCache
from vidnas.deploy.export import export_model
from vidnas.deploy.finalists import Finalist, train_finalists
from vidnas.deploy.model import Model, load_model, save_model
from vidnas.evolution.config import StudyConfig
from vidnas.evolution.engine import Event, run_search
from vidnas.evolution.evaluator import ClipEvaluator, Evaluator
from vidnas.evolution.executors import LocalExecutor
from vidnas.evolution.limits import Limits
from vidnas.evolution.strategies import Strategy
from vidnas.evolution.study import Study
from vidnas.evolution.weights import WeightFolder
from vidnas.families import Network, Space, families
from vidnas.profiling.counting import count_cost
from vidnas.profiling.latency import calibrate, measure_latency
from vidnas.report.study import Winner
from vidnas.training import Metrics, TrainingSettings, evaluate
from vidnas.workflows.clips import open_clips
from vidnas.workflows.page import WINNER_FILE, write_page, write_record
from vidnas.workflows.request import (
    REQUEST_FILE,
    Plan,
    SearchRequest,
    brief_settings,
    make_space,
    make_strategy,
)
from vidnas.workflows.watcher import Watcher

if TYPE_CHECKING:
    from vidnas.evolution.ray_executor import RayExecutor

_TEST_CLIPS = 3
ONNX_FILE = "model.onnx"
WEIGHTS_FOLDER = "weights"
_DEADLINE_FACTOR, _DEADLINE_EXTRA_S = 3.0, 60.0


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
    plan = Plan.of(request, executor.slots)
    strategy = make_strategy(request, plan)
    make_space(request)  # refuses what the family does not take before any clip is read
    cache = open_clips(
        request.clips, size_px=request.size_px, seed=request.seed, modalities=request.input
    )
    space = make_space(request, max_size_px=cache.size_px, max_frames=cache.typical_frames)
    settings = brief_settings(request, plan)
    config = StudyConfig(
        family=request.family,
        space=space.describe(),
        classes=cache.classes,
        data_fingerprint=cache.fingerprint,
        limits=limits,
        strategy=strategy.describe(),
        training={
            **settings.model_dump(mode="json"),
            **cache.settings(request.input),
            "fitness": list(families()[request.family].fitness),
            "inherit": request.inherit,
        },
        seed=request.seed,
        deterministic=request.deterministic,
    )
    with Study.create_or_resume(request.out, config, request.storage) as study:
        # Where the clips lie may be relative to where the command was typed. Where the trials are
        # the study remembers, without a password.
        asked = request.model_copy(update={"clips": request.clips.resolve(), "storage": None})
        write_record(asked, request.out / REQUEST_FILE)
        # Before any worker is started: the machine is at rest.
        reference = calibrate(runtime=request.runtime, threads=request.latency_threads)
        evaluator = ClipEvaluator(
            cache.directory,
            settings,
            limits,
            reference,
            request.runtime,
            threads=request.latency_threads,
            # Workers may have another working directory.
            weights=WeightFolder((request.out / WEIGHTS_FOLDER).resolve())
            if request.inherit
            else None,
            device="cuda" if request.gpus_per_candidate else "cpu",
        )
        try:
            _evolve(
                request,
                plan=plan,
                study=study,
                space=space,
                clip_evaluator=evaluator,
                strategy=strategy,
                executor=executor,
                watchers=watchers,
            )
        finally:
            write_page(study, request.title)
        finalists = _train_finalists(request, plan, study, cache)
        outcome = _crown(request, study, cache, finalists)
    return outcome.model_copy(update={"seconds": time.monotonic() - began})


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


def _evolve(
    request: SearchRequest,
    *,
    plan: Plan,
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
        from vidnas.evolution.ray_clips import ShippedEvaluator

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
    request: SearchRequest, plan: Plan, study: Study, cache: ClipCache
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
    latency = measure_latency(network, runtime=request.runtime, threads=request.latency_threads)
    counted = count_cost(network.architecture, network.num_classes)
    return counted.model_copy(update={"latency": latency})
