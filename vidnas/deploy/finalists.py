"""Full training of a search's best candidates, side by side; validation picks the winner.

The brief training that ranks candidates is noisy, and one small network cannot use two cores well:
training the best few at once costs the time of one and takes the luck out of the choice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vidnas.core import UserError
from vidnas.data.cache import ClipCache
from vidnas.deploy.model import MODEL_FILE, Model, ModelCard, load_model, save_model
from vidnas.evolution.executors import Executor
from vidnas.evolution.trial import Trial
from vidnas.families import Architecture, create_network
from vidnas.training import Metrics, TrainingSettings, train

_TICK_S = 0.5


@dataclass(frozen=True)
class Finalist:
    """A candidate that was trained in full."""

    trial: Trial
    folder: Path
    validation: Metrics


def train_finalists(
    trials: Sequence[Trial],
    cache: ClipCache,
    settings: TrainingSettings,
    executor: Executor,
    folder: Path,
    *,
    seed: int,
    on_tick: Callable[[], None] = lambda: None,
) -> list[Finalist]:
    """Train candidates in full, as many at a time as the executor has slots; the best comes first.

    Each becomes a model folder below `folder`. One that is there already is not trained again, and
    one that was interrupted goes on.

    Args:
        trials: the candidates.
        cache: the clips; the test split is not touched.
        settings: the recipe; its budget is that of each candidate.
        executor: where they are trained; the caller shuts it down.
        folder: where the models go.
        seed: of the weights and the order of the clips.
        on_tick: called about twice a second while waiting.

    Raises:
        UserError: not one of them could be trained.
    """
    pending: dict[Future[Metrics], Trial] = {
        executor.submit(
            train_finalist,
            cache.directory,
            trial.architecture,
            settings,
            seed,
            _folder(folder, trial),
        ): trial
        for trial in trials
    }
    running = set(pending)
    while running:
        _, running = wait(running, timeout=_TICK_S, return_when=FIRST_COMPLETED)
        on_tick()
    errors = {pending[future].number: future.exception() for future in pending}
    finalists = [
        Finalist(trial, _folder(folder, trial), future.result())
        for future, trial in pending.items()
        if errors[trial.number] is None
    ]
    if not finalists:
        number, error = next(iter(errors.items()))
        raise UserError(
            f"None of the best candidates could be trained in full (trial {number}: {error}); "
            "run the same command again."
        )
    return sorted(finalists, key=lambda finalist: finalist.validation.rank, reverse=True)


def train_finalist(
    cache_directory: Path,
    architecture: Architecture,
    settings: TrainingSettings,
    seed: int,
    folder: Path,
) -> Metrics:
    """Train one candidate in full, save it as a model and return its validation metrics."""
    cache = ClipCache(cache_directory)
    recipe: dict[str, Any] = {
        **settings.model_dump(mode="json"),
        "seed": seed,
        **cache.settings(spec.modality for spec in architecture.inputs),
    }
    if (folder / MODEL_FILE).exists():
        card = load_model(folder).card
        if card.settings == recipe and card.validation is not None:
            return card.validation
    torch.manual_seed(seed)
    network = create_network(architecture, len(cache.classes))
    checkpoint = folder / f"budget-{settings.budget_s or settings.epochs}.checkpoint"
    report = train(network, cache, settings, seed=seed, checkpoint=checkpoint)
    if report.validation is None:
        raise UserError(f"{cache.directory} has no validation clips to choose the best network by.")
    card = ModelCard(validation=report.validation, settings=recipe, data=cache.fingerprint)
    save_model(Model(network, cache.classes, card), folder)
    checkpoint.unlink()
    return report.validation


def _folder(folder: Path, trial: Trial) -> Path:
    return folder / f"trial-{trial.number}"
