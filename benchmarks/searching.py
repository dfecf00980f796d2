"""What benchmarks search: the default space of a family, and candidates trained on clips."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from vidnas.data.cache import ClipCache
from vidnas.deploy import Model, ModelCard, load_model, save_model
from vidnas.evolution import ClipEvaluator, Executor, Limits, Trial
from vidnas.evolution.clip_evaluator import ClipEvaluation
from vidnas.families import Family, create_network, families, family_of
from vidnas.training import TrainingRun, TrainingSettings, train


def space_of(family: str, *, max_size_px: int, max_frames: int) -> Any:
    """Return the default space of a family for such clips."""
    make = families()[family].space
    assert make is not None
    return make(max_size_px=max_size_px, max_frames=max_frames)


def evaluator_of(
    family: str,
    cache: ClipCache,
    training: TrainingSettings,
    limits: Limits | None = None,
    rungs: int = 1,
    **others: Any,
) -> ClipEvaluator:
    """Return what evaluates candidates as `vidnas search` does; with a folder of states among the
    other fields of a `ClipEvaluator`, they climb."""
    known = families()[family]
    settings = ClipEvaluation(
        training=training, rungs=rungs, clips=cache.settings(("rgb",)), fitness=known.fitness
    )
    return ClipEvaluator(cache.directory, settings, limits or Limits(), known, **others)


def train_models(
    trials: Sequence[Trial],
    cache: ClipCache,
    settings: TrainingSettings,
    executor: Executor,
    folder: Path,
    *,
    seed: int,
) -> list[Model]:
    """Train candidates from scratch, as many at a time as the executor has slots; those that are
    saved in `folder/trial-N` already are read."""
    run = partial(_train_model, cache=cache, settings=settings, seed=seed)
    folders = [folder.resolve() / f"trial-{trial.number}" for trial in trials]
    pending = [
        executor.submit(run, trial, family_of(trial.architecture), to)
        for trial, to in zip(trials, folders, strict=True)
        if not to.exists()
    ]
    for future in pending:
        future.result()
    return [load_model(one) for one in folders]


def _train_model(
    trial: Trial,
    _: Family,  # unpickling it makes it known
    folder: Path,
    *,
    cache: ClipCache,
    settings: TrainingSettings,
    seed: int,
) -> None:
    import torch

    torch.manual_seed(seed)
    network = create_network(trial.architecture, len(cache.classes))
    clips = cache.settings(spec.modality for spec in trial.architecture.inputs)
    run = TrainingRun(settings=settings, seed=seed, clips=clips)
    report = train(network, cache, settings, seed=seed)
    card = ModelCard(
        trial=trial.number,
        training_runs=(run,),
        data=cache.fingerprint,
        typical_frames=cache.typical_frames,
        validation=report.validation,
    )
    save_model(Model(network, cache.classes, card), folder)
