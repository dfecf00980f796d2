"""From clips and a limit to a trained, tested and exported network."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidnas.core import UserError
from vidnas.core.process import available_cores
from vidnas.core.text import counted
from vidnas.data.cache import ClipCache
from vidnas.data.datasets import load_dataset
from vidnas.data.splits import JUDGED
from vidnas.deploy.card import ModelCard
from vidnas.deploy.shipping import ONNX_FILE
from vidnas.evolution.clip_evaluator import ClipEvaluation, ClipEvaluator
from vidnas.evolution.executors import LocalExecutor
from vidnas.evolution.gain import Gain
from vidnas.evolution.limits import Limits
from vidnas.evolution.states import StateFolder
from vidnas.evolution.study import STATES_FOLDER, Study
from vidnas.families import Family
from vidnas.profiling.remote import require_target
from vidnas.profiling.target import TargetLost
from vidnas.training import task_of
from vidnas.training.evaluation import require_labels
from vidnas.training.tasks import Fitness, task_remark
from vidnas.workflows.clips import open_clips
from vidnas.workflows.combinations import require_reproducible, require_streaming
from vidnas.workflows.delivery import Delivery
from vidnas.workflows.listener import Listener
from vidnas.workflows.page import BEST_FOLDER, try_page
from vidnas.workflows.plan import (
    Plan,
    planned_inheritance,
    planned_sampling,
    planned_space,
    planned_strategy,
    rung_training,
    searched_family,
)
from vidnas.workflows.records import write_record
from vidnas.workflows.recovery import recovery
from vidnas.workflows.request import REQUEST_FILE, SearchRequest
from vidnas.workflows.search import open_study
from vidnas.workflows.search_job import SearchJob
from vidnas.workflows.study_clips import record_clips, require_same_clips
from vidnas.workflows.study_extent import StudyExtent

if TYPE_CHECKING:
    from vidnas.evolution.ray_executor import RayExecutor


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
    require_reproducible(request, limits)
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
    if remark := _crowded(executor):
        listener.remark(remark)
    reading = partial(listener.progress, "Reading")
    require_same_clips(request.out, dataset, request.seed, reading)  # before any is decoded
    kept = StudyExtent.of(request.out)
    cache = open_clips(
        dataset,
        listener,
        size_px=request.size_px or (kept.clips.size_px if kept else None),
        modalities=request.input,
        flow_method=kept.clips.flow_method if kept else None,
        rate_fps=kept.clips.rate_fps if kept else "common",
        cache_bytes=request.cache_size_bytes,
    )
    task = task_of(cache, request.class_weights)
    for split in JUDGED:  # not after hours of training
        require_labels(cache, split, task)
    if remark := task_remark(cache, request.class_weights):
        listener.remark(remark)
    extent = {
        "max_frames": cache.typical_frames,
        "sampling": planned_sampling(cache.longest_frames),
    } | (kept.of_space if kept else {})
    space = planned_space(request, max_size_px=cache.size_px, **extent)
    if limits.frame_latency_ms is not None:
        space = space.for_streams()
    evaluator = _evaluator(request, plan, cache, limits, kept)
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
        record_clips(request.out, dataset, cache.fingerprint, cache)
        job = SearchJob(request, plan, study, cache, listener)
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


def _crowded(executor: LocalExecutor | RayExecutor) -> str | None:
    """Return a sentence on more workers of this machine than it has cores, which the plan counts as
    if there were as many; None where there are."""
    cores = available_cores()
    if not isinstance(executor, LocalExecutor) or executor.slots <= cores:
        return None
    return (
        f"{counted(executor.slots, 'worker')} share {counted(cores, 'core')}: in its time each "
        "candidate is trained less than the plan says; leave --workers out for one per core."
    )


def _evaluator(
    request: SearchRequest,
    plan: Plan,
    cache: ClipCache,
    limits: Limits,
    kept: StudyExtent | None,
) -> ClipEvaluator:
    family = searched_family(request.family)
    return ClipEvaluator(
        cache.directory,
        ClipEvaluation(
            training=rung_training(request, plan),
            rungs=plan.rungs,
            clips=cache.settings(request.input),
            fitness=_fitness(request, cache, family, kept),
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


def _fitness(
    request: SearchRequest, cache: ClipCache, family: Family, kept: StudyExtent | None
) -> tuple[Fitness, ...]:
    """Return what candidates are judged by; a study keeps whether its classes count alike, because
    one video that can be read by now may make them imbalanced."""
    task = task_of(cache, request.class_weights)
    possible = [replace(task, balanced=alike).fitness(family.fitness) for alike in (False, True)]
    if kept is not None and kept.fitness in possible:
        return kept.fitness
    return task.fitness(family.fitness)
