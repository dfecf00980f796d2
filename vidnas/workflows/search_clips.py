"""From clips and a limit to a trained, tested and exported network."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidnas.core import UserError
from vidnas.core.durations import format_duration
from vidnas.core.process import available_cores
from vidnas.data.cache import ClipCache
from vidnas.data.datasets import load_dataset
from vidnas.deploy.card import ModelCard
from vidnas.deploy.finalists import choose_finalists, train_finalists
from vidnas.deploy.judging import Judging
from vidnas.deploy.model import Model
from vidnas.deploy.shipping import ONNX_FILE
from vidnas.evolution.clip_evaluator import ClipEvaluation, ClipEvaluator
from vidnas.evolution.engine import run_search
from vidnas.evolution.evaluator import Evaluator
from vidnas.evolution.events import Event
from vidnas.evolution.executors import LocalExecutor
from vidnas.evolution.gain import Gain
from vidnas.evolution.limits import Limits
from vidnas.evolution.states import StateFolder
from vidnas.evolution.strategies import Strategy
from vidnas.evolution.study import STATES_FOLDER, Study
from vidnas.families import Space
from vidnas.profiling.remote import TargetFailure, require_target
from vidnas.profiling.target import TargetLost
from vidnas.training import task_of
from vidnas.training.tasks import task_remark
from vidnas.workflows.clips import open_clips
from vidnas.workflows.delivery import Delivery
from vidnas.workflows.event_log import EventLog
from vidnas.workflows.listener import Listener, clock
from vidnas.workflows.page import BEST_FOLDER, try_page
from vidnas.workflows.plan import (
    Plan,
    planned_inheritance,
    planned_sampling,
    planned_space,
    planned_strategy,
    require_streaming,
    rung_training,
    searched_family,
)
from vidnas.workflows.records import write_record
from vidnas.workflows.recovery import recovery
from vidnas.workflows.reference import study_reference
from vidnas.workflows.request import REQUEST_FILE, SearchRequest
from vidnas.workflows.search import open_study
from vidnas.workflows.study_clips import record_clips, require_same_clips
from vidnas.workflows.tensorboard_log import TensorBoardLog

if TYPE_CHECKING:
    from vidnas.evolution.ray_executor import RayExecutor

_DEADLINE_FACTOR, _DEADLINE_EXTRA_S = 3.0, 60.0


@dataclass(frozen=True)
class SearchResult:
    """What a search came to: a study, and its best network."""

    study: Study
    """With all trials; `study.rows()` gives them as a table."""
    card: ModelCard = field(repr=False)
    """What is known of the network: metrics, cost, the trial that found it."""
    report: Path | None
    """File of the page; None where it could not be written."""
    seconds: float

    @property
    def model(self) -> Path:
        """Folder of the network; `vidnas.load` reads it."""
        return self.study.folder / BEST_FOLDER

    @property
    def gain(self) -> Gain | None:
        """What the network has over the best design that the search started from; None where it
        started from none."""
        number = self.card.trial
        return None if number is None else Gain.of(self.study.trials[number], self.study.trials)

    @property
    def onnx(self) -> Path:
        """File of the exported network, in float32, for all that read ONNX."""
        return self.model / ONNX_FILE

    @property
    def file(self) -> Path | None:
        """File that the latency is of, for the runtime of the search; None where that is PyTorch,
        which runs the model itself."""
        shipped = self.card.shipped
        return None if shipped is None else self.model / shipped.name


def search_clips(
    clips: Path | str, *, listener: Listener | None = None, **settings: Any
) -> SearchResult:
    """Search, finish the best, test, export and report: what `vidnas search` does.

    The same call resumes a search that was stopped.

    Args:
        clips: a folder of class folders, a CSV, or the annotations of a published data set.
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
    dataset = load_dataset(
        request.clips, seed=request.seed, format=request.format, video_folder=request.video_folder
    )
    limits = Limits.parse(request.limits)
    if limits.frame_latency_ms is not None:
        require_streaming(request)
    if request.target is not None:
        require_target(request.target, request.runtime)  # before any clip is read
    executor = _executor(request)
    clips = sum(video.split == "train" for video in dataset.videos)
    plan = Plan.of(request, clips, executor.slots)
    strategy = planned_strategy(request, plan)
    planned_space(request)  # rejects what the family does not take before any clip is read
    listener.say(f"Plan: {plan}.")
    cache = open_clips(
        dataset,
        listener,
        size_px=request.size_px,
        modalities=request.input,
        cache_bytes=request.cache_size_bytes,
    )
    if remark := task_remark(cache, request.class_weights):
        listener.remark(remark)
    space = planned_space(
        request,
        max_size_px=cache.size_px,
        max_frames=cache.typical_frames,
        sampling=planned_sampling(cache.longest_frames),
    )
    if limits.frame_latency_ms is not None:
        space = space.for_streams()
    evaluator = _evaluator(request, plan, cache, limits)
    require_same_clips(request.out, dataset, cache.fingerprint, request.seed)
    study = open_study(
        request.out,
        space,
        evaluator,
        strategy,
        family=request.family,
        limits=limits,
        classes=cache.classes,
        data_fingerprint=cache.fingerprint,
        seed=request.seed,
        deterministic=request.deterministic,
        designs=not request.random_start,
        storage=request.storage,
    )
    with study:
        for sentence in recovery(study):
            listener.say(sentence)
        # The path of the clips may be relative to where the command was typed. Where the trials
        # are the study remembers, without a password. What the workers did is counted by the page.
        known = {
            "clips": request.clips.resolve(),
            "video_folder": request.video_folder and request.video_folder.resolve(),
            "storage": None,
            "workers": executor.slots,
        }
        asked = request.model_copy(update=known)
        write_record(asked, request.out / REQUEST_FILE)
        record_clips(request.out, dataset, cache.fingerprint)
        job = _Job(request, plan, study, cache, listener)
        with _pausing():
            with executor:
                try:
                    job.evolve(space, strategy, evaluator, executor)
                finally:
                    try_page(study, request.title, listener)
                finished = job.finish_best(executor)
            card = Delivery(request, study, cache, listener).answer(finished)
        page = try_page(study, request.title, listener)
    return SearchResult(study, card, page, seconds=time.monotonic() - began)


@contextmanager
def _pausing() -> Iterator[None]:
    """Say that a search whose target is lost goes on when that is back."""
    try:
        yield
    except TargetLost as error:
        raise UserError(f"The search is paused, and loses nothing. {error}") from error
    except TargetFailure as error:  # of a network that is finished, and ran there before
        raise UserError(
            f"A network could not be timed {error}; run the same command again."
        ) from error


def _executor(request: SearchRequest) -> LocalExecutor | RayExecutor:
    """Return where candidates run; it starts or joins a cluster, but no worker yet."""
    if request.executor == "local":
        if request.address or request.gpus_per_candidate:
            raise UserError(
                "--address and --gpus-per-candidate belong to a Ray cluster; add --executor ray, "
                "or leave them out."
            )
        return LocalExecutor(request.workers)
    if request.target is not None:
        raise UserError(
            "--target is reached from this machine, not from the nodes of a Ray cluster; leave one "
            "of --target and --executor ray out."
        )
    from vidnas.evolution.ray_executor import RayExecutor

    return RayExecutor(request.address, gpus_per_candidate=request.gpus_per_candidate)


def _evaluator(
    request: SearchRequest, plan: Plan, cache: ClipCache, limits: Limits
) -> ClipEvaluator:
    family = searched_family(request.family)
    return ClipEvaluator(
        cache.directory,
        ClipEvaluation(
            training=rung_training(request, plan),
            rungs=plan.rungs,
            clips=cache.settings(request.input),
            fitness=task_of(cache, request.class_weights).fitness(family.fitness),
            inherit=planned_inheritance(request),
        ),
        limits,
        family,
        runtime=request.runtime,
        threads=request.latency_threads,
        # Workers may have another working directory.
        states=StateFolder(request.out.resolve() / STATES_FOLDER),
        device="cuda" if request.gpus_per_candidate else "cpu",
    )


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
        evaluator: ClipEvaluator,
        executor: LocalExecutor | RayExecutor,
    ) -> None:
        """Search until the plan's end."""
        deadline_s = None
        # Training for a number of epochs takes what it takes.
        if (longest_s := evaluator.seconds_at(evaluator.rungs - 1)) is not None:
            deadline_s = _DEADLINE_FACTOR * longest_s + _DEADLINE_EXTRA_S
            executor.timeout_s = deadline_s + _DEADLINE_EXTRA_S
        limits = str(self.study.config.limits)
        self.listener.say(
            f"Searching {self.request.family} with {executor.slots} worker(s)"
            f"{f' within {limits}' if limits else ''}; Ctrl-C ends the search and keeps all that "
            "is finished."
        )
        self.listener.say(f"Strategy: {_phrase(self.study.config.strategy)}.")
        calibrated = self._calibrated(evaluator)
        with ExitStack() as stack:
            listeners = [self.listener, *_logs(self.request, self.listener, stack)]
            for one in listeners:
                one.opened(self.study.history)

            def tell(event: Event) -> None:
                if event.trial is not None:
                    ranked = sorted(self.study.trials, key=lambda one: one.rank, reverse=True)
                    self.states.make_room(one.architecture.digest for one in ranked)
                for one in listeners:
                    one.searched(event)

            run_search(
                self.study,
                space,
                calibrated,
                strategy,
                executor,
                evaluations=self.request.evaluations,
                budget_s=self.plan.search_s,
                deadline_s=deadline_s,
                on_event=tell,
            )

    def _calibrated(self, evaluator: ClipEvaluator) -> Evaluator:
        """Return the evaluator as workers take it; none is started yet: the machine is at rest."""
        request = self.request
        reference = study_reference(
            self.study.folder,
            runtime=request.runtime,
            threads=request.latency_threads,
            target=request.target,
        )
        evaluator = replace(evaluator, reference=reference)
        if request.executor == "local":
            return evaluator
        from vidnas.evolution.cluster_clips import ClusterClipEvaluator

        return ClusterClipEvaluator.of(evaluator)

    @property
    def states(self) -> StateFolder:
        """What the candidates have learned."""
        return StateFolder(self.study.folder / STATES_FOLDER)

    def finish_best(self, executor: LocalExecutor | RayExecutor) -> list[Model]:
        """Finish the best candidates, one per worker of this machine and one per niche.

        Args:
            executor: of the search, which is over; it is shut down in the end.
        """
        workers = self.request.workers or available_cores()
        if not self.study.fittest(1):
            raise UserError(
                f"None of {len(self.study.trials)} candidates could be trained; see "
                f"{self.request.out} for why each failed, and give more time or a higher limit."
            )
        finish_s = self.plan.finish_s
        finalists = choose_finalists(self.study, finish_s, workers)
        if self.request.train_time_s is None:
            judging_s = Judging.of(self.cache).expected_s([one.trial for one in finalists], workers)
            finish_s = self.plan.finish_after(self.study.history[-1].elapsed_s, judging_s)
            finalists = choose_finalists(self.study, finish_s, workers)
        names = ", ".join(str(one.trial.number) for one in finalists)
        self.listener.say(
            f"Finishing trials {names} from where they stand, {format_duration(finish_s)}; "
            "validation picks the answer."
        )
        with _on_this_machine(executor, workers) as local:
            return train_finalists(
                finalists,
                self.study,
                self.cache,
                ClipEvaluation.of_study(self.study.config).training,
                local,
                on_tick=clock(self.listener, "Finishing", finish_s),
            )


def _on_this_machine(executor: LocalExecutor | RayExecutor, workers: int) -> LocalExecutor:
    """Return workers of this machine: those of the search, which need no seconds to start again, or
    new ones in place of a cluster, which is left."""
    if isinstance(executor, LocalExecutor):
        executor.timeout_s = None
        return executor
    executor.shutdown()
    return LocalExecutor(workers)


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
