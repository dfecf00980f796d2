"""From clips and a limit to a trained, tested and exported network."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidnas.core import Cost, UserError
from vidnas.core.durations import format_duration
from vidnas.core.process import available_cores
from vidnas.data.cache import ClipCache
from vidnas.data.datasets import load_dataset
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
from vidnas.families import Space, families
from vidnas.profiling.cost import measure_cost
from vidnas.profiling.latency import calibrate
from vidnas.report.study import Winner
from vidnas.training import Metrics, TrainingSettings, evaluate
from vidnas.workflows.clips import open_clips
from vidnas.workflows.event_log import EventLog
from vidnas.workflows.listener import Listener, clock
from vidnas.workflows.page import WINNER_FILE, write_page
from vidnas.workflows.plan import Plan, brief_settings, make_space, make_strategy
from vidnas.workflows.records import write_record
from vidnas.workflows.request import REQUEST_FILE, SearchRequest
from vidnas.workflows.tensorboard_log import TensorBoardLog

if TYPE_CHECKING:
    from vidnas.evolution.ray_executor import RayExecutor

_TEST_CLIPS = 3
ONNX_FILE = "model.onnx"
WEIGHTS_FOLDER = "weights"
_DEADLINE_FACTOR, _DEADLINE_EXTRA_S = 3.0, 60.0


@dataclass(frozen=True)
class SearchResult:
    """What a search came to: a study, and the network that was trained in full."""

    study: Study
    """With all trials: `rows()` gives them as a table."""
    model: Path
    """Folder of the network; `vidnas.load_model` reads it."""
    onnx: Path
    """The exported network."""
    report: Path
    """The page."""
    trial: int
    """The trial that found the architecture."""
    test: Metrics
    cost: Cost
    """The latency is that of the exported network on the machine at rest."""
    within_limits: bool
    export_difference: float
    seconds: float


def search_clips(
    clips: Path | str, *, listener: Listener | None = None, **settings: Any
) -> SearchResult:
    """Search, train the best in full, test, export and report: what `vidnas search` does.

    The same call resumes a search that was stopped.

    Args:
        clips: a folder of class folders, or a CSV.
        listener: is told how the search goes.
        settings: fields of `SearchRequest`, such as `out="study"`, `limits=["latency=40ms"]` and
            `budget="30m"`; the defaults are those of the command.

    Raises:
        UserError: the clips, the limits, the study's folder or a setting cannot be used.
        KeyboardInterrupt: Ctrl-C was pressed; what was finished is kept.
    """
    return run(SearchRequest.model_validate({"clips": clips, **settings}), listener or Listener())


def run(request: SearchRequest, listener: Listener) -> SearchResult:
    """Search for what was requested.

    Raises:
        UserError: the clips, the limits, the study's folder or a setting cannot be used.
        KeyboardInterrupt: Ctrl-C was pressed; what was finished is kept.
    """
    began = time.monotonic()
    dataset = load_dataset(request.clips, seed=request.seed)
    limits = Limits.parse(request.limits)
    executor = _executor(request)
    plan = Plan.of(request, executor.slots)
    strategy = make_strategy(request, plan)
    make_space(request)  # rejects what the family does not take before any clip is read
    listener.say(f"Plan: {plan}.")
    cache = open_clips(
        dataset,
        listener,
        size_px=request.size_px,
        modalities=request.input,
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
        # The path of the clips may be relative to where the command was typed. Where the trials
        # are the study remembers, without a password.
        asked = request.model_copy(update={"clips": request.clips.resolve(), "storage": None})
        write_record(asked, request.out / REQUEST_FILE)
        job = _Job(request, plan, study, cache, listener)
        try:
            job.evolve(space, strategy, executor, settings)
        finally:
            write_page(study, request.title)
        result = job.finish(job.train_finalists())
    return replace(result, seconds=time.monotonic() - began)


def _executor(request: SearchRequest) -> LocalExecutor | RayExecutor:
    """Return where candidates run; it starts or joins a cluster, but no worker yet."""
    if request.executor == "local":
        if request.address or request.gpus_per_candidate:
            raise UserError(
                "--address and --gpus-per-candidate belong to a Ray cluster; add --executor ray, "
                "or leave them out."
            )
        return LocalExecutor(request.workers)
    from vidnas.evolution.ray_executor import RayExecutor

    return RayExecutor(request.address, gpus_per_candidate=request.gpus_per_candidate)


@dataclass(frozen=True)
class _Job:
    """A search in its study's folder, which this process has locked."""

    request: SearchRequest
    plan: Plan
    study: Study
    cache: ClipCache
    listener: Listener

    def evolve(
        self,
        space: Space,
        strategy: Strategy,
        executor: LocalExecutor | RayExecutor,
        settings: TrainingSettings,
    ) -> None:
        """Search until the plan's end."""
        deadline_s = None
        if brief_s := settings.budget_s:  # training for a number of epochs takes what it takes
            deadline_s = _DEADLINE_FACTOR * brief_s + _DEADLINE_EXTRA_S
            executor.timeout_s = deadline_s + _DEADLINE_EXTRA_S
        limits = str(self.study.config.limits)
        self.listener.say(
            f"Searching {self.request.family} with {executor.slots} worker(s)"
            f"{f' within {limits}' if limits else ''}; Ctrl-C ends the search and keeps all that "
            "is finished."
        )
        self.listener.say(f"Strategy: {_phrase(self.study.config.strategy)}.")
        evaluator = self._evaluator(settings)
        with ExitStack() as stack:
            stack.enter_context(executor)
            listeners = [self.listener, *_logs(self.request, self.listener, stack)]
            for one in listeners:
                one.opened(self.study.trials)

            def tell(event: Event) -> None:
                for one in listeners:
                    one.searched(event)

            run_search(
                self.study,
                space,
                evaluator,
                strategy,
                executor,
                evaluations=self.request.evaluations,
                budget_s=self.plan.last_start_s,
                deadline_s=deadline_s,
                on_event=tell,
            )

    def _evaluator(self, settings: TrainingSettings) -> Evaluator:
        request = self.request
        evaluator = ClipEvaluator(
            self.cache.directory,
            settings,
            self.study.config.limits,
            # Before any worker is started: the machine is at rest.
            calibrate(runtime=request.runtime, threads=request.latency_threads),
            request.runtime,
            threads=request.latency_threads,
            # Workers may have another working directory.
            weights=WeightFolder((request.out / WEIGHTS_FOLDER).resolve())
            if request.inherit
            else None,
            device="cuda" if request.gpus_per_candidate else "cpu",
        )
        if request.executor == "local":
            return evaluator
        from vidnas.evolution.ray_clips import ShippedEvaluator

        return ShippedEvaluator.of(evaluator)

    def train_finalists(self) -> list[Finalist]:
        """Train the best candidates in full, one per worker of this machine."""
        workers = self.request.workers or available_cores()
        best = self.study.fittest(workers)
        if not best:
            raise UserError(
                f"None of {len(self.study.trials)} candidates could be trained; see "
                f"{self.request.out} for why each failed, and give more time or a higher limit."
            )
        train_s = self.plan.train_s
        names = " and ".join(str(trial.number) for trial in best)
        self.listener.say(
            f"Training trial {names} in full, {format_duration(train_s)}; validation picks one."
        )
        with LocalExecutor(workers) as executor:
            return train_finalists(
                best,
                self.cache,
                TrainingSettings.full(budget_s=train_s, flip=self.request.flip),
                executor,
                self.request.out / "finalists",
                seed=self.request.seed,
                on_tick=clock(self.listener, "Training", train_s),
            )

    def finish(self, finalists: Sequence[Finalist]) -> SearchResult:
        """Test the best finalist within the limits, export it and write the page."""
        request, limits = self.request, self.study.config.limits
        folder = request.out / "best"
        costs = [
            measure_cost(
                load_model(one.folder).network,
                runtime=request.runtime,
                threads=request.latency_threads,
            )
            for one in finalists
        ]
        held = [limits.judge(cost) is None for cost in costs]
        chosen = held.index(True) if any(held) else 0
        winner, cost = finalists[chosen], costs[chosen]
        trained = load_model(winner.folder)
        test = evaluate(trained.network, self.cache, "test", clips_per_video=_TEST_CLIPS)
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
        return SearchResult(
            study=self.study,
            model=folder,
            onnx=folder / ONNX_FILE,
            report=write_page(self.study, request.title),
            trial=winner.trial.number,
            test=test,
            cost=cost,
            within_limits=held[chosen],
            export_difference=check.largest_difference,
            seconds=0.0,
        )


def _logs(request: SearchRequest, listener: Listener, stack: ExitStack) -> list[Listener]:
    """Open the logs that were asked for, until the stack closes them."""
    logs: list[Listener] = []
    if request.events is not None:
        logs.append(stack.enter_context(EventLog(request.events, listener.remark)))
    if request.tensorboard is not None:
        logs.append(stack.enter_context(TensorBoardLog(request.tensorboard, listener.remark)))
    return logs


def _phrase(strategy: Mapping[str, Any]) -> str:
    """Return a strategy with its settings, for people."""
    name, *settings = strategy.items()
    described = ", ".join(
        f"{key.replace('_', ' ')} {' and '.join(value) if isinstance(value, list) else value}"
        for key, value in settings
    )
    return f"{name[1]} ({described})" if described else str(name[1])
