"""Full training of a search's best candidates, side by side; validation picks the winner.

The brief training run that ranks candidates is noisy, and one small network cannot use two cores
well: training the best few at once takes the time of one and removes the luck from the choice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from pathlib import Path

import torch

from vidnas.core import UserError
from vidnas.data.cache import ClipCache
from vidnas.deploy.model import MODEL_FILE, Model, ModelCard, load_card, load_model, save_model
from vidnas.evolution.executors import Executor
from vidnas.evolution.trial import Trial
from vidnas.families import Family, create_network, family_of
from vidnas.training import Metrics, TrainingRun, TrainingSettings, train

_TICK_S = 0.5


def train_finalists(
    trials: Sequence[Trial],
    cache: ClipCache,
    settings: TrainingSettings,
    executor: Executor,
    folder: Path | str,
    *,
    seed: int,
    on_tick: Callable[[], None] = lambda: None,
) -> list[Model]:
    """Train candidates in full, as many at a time as the executor has slots.

    Each is saved as a model in `folder/trial-N`. One that is there already is not trained again,
    and one that was interrupted resumes.

    Args:
        trials: the candidates.
        cache: the clips; the test split is not touched.
        settings: the recipe; its budget is that of each candidate.
        executor: where they are trained; the caller shuts it down.
        folder: where the models go.
        seed: decides the weights and the order of the clips.
        on_tick: called about twice a second while waiting.

    Returns:
        The models by their validation metrics, the best first; their cards name their trials.

    Raises:
        UserError: not one of them could be trained.
    """
    folders = [Path(folder) / f"trial-{trial.number}" for trial in trials]
    futures = []
    for trial, place in zip(trials, folders, strict=True):
        architecture = trial.architecture
        clips = cache.settings(spec.modality for spec in architecture.inputs)
        run = TrainingRun(settings=settings, seed=seed, clips=clips)
        family = family_of(architecture)
        futures.append(executor.submit(train_finalist, cache.directory, trial, run, place, family))
    running = set(futures)
    while running:
        _, running = wait(running, timeout=_TICK_S, return_when=FIRST_COMPLETED)
        on_tick()
    trained = [
        (future.result().rank, place)
        for future, place in zip(futures, folders, strict=True)
        if future.exception() is None
    ]
    if not trained:
        raise UserError(
            "None of the best candidates could be trained in full (trial "
            f"{trials[0].number}: {futures[0].exception()}); run the same command again."
        )
    trained.sort(key=lambda found: found[0], reverse=True)
    return [load_model(place) for _, place in trained]


def train_finalist(
    cache_directory: Path, trial: Trial, run: TrainingRun, folder: Path, family: Family
) -> Metrics:
    """Train one candidate in full, save it as a model and return its validation metrics.

    Unpickling the family makes it known in a worker.
    """
    cache = ClipCache(cache_directory)
    if (folder / MODEL_FILE).exists():
        card = load_card(folder)
        if card.training_runs == (run,) and card.validation is not None:
            return card.validation
    torch.manual_seed(run.seed)
    network = create_network(trial.architecture, len(cache.classes))
    checkpoint = folder / f"budget-{run.settings.budget_s or run.settings.epochs}.checkpoint"
    report = train(network, cache, run.settings, seed=run.seed, checkpoint=checkpoint)
    if report.validation is None:
        raise UserError(
            f"{cache.directory} has no validation clips to choose the best network by; give some "
            "videos the split val."
        )
    card = ModelCard(
        trial=trial.number,
        training_runs=(run,),
        data=cache.fingerprint,
        validation=report.validation,
    )
    save_model(Model(network, cache.classes, card), folder)
    checkpoint.unlink()
    return report.validation
