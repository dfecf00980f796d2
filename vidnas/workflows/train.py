"""One architecture, trained in full on clips, tested and saved."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vidnas.core import NotFinite, UserError
from vidnas.core.process import idle_cores
from vidnas.core.quantities import format_cost
from vidnas.data.datasets import load_dataset
from vidnas.data.splits import JUDGED
from vidnas.deploy import Model, ModelCard, resolve_architecture, save_model
from vidnas.deploy.seen_videos import SeenVideos
from vidnas.families import Architecture, architecture_from_json, create_network
from vidnas.profiling import affordable_cost
from vidnas.training import (
    TrainingRun,
    TrainingSettings,
    evaluate,
    measure_time_use,
    task_of,
    train,
)
from vidnas.training.checkpoint import trained_clips
from vidnas.training.evaluation import require_labels
from vidnas.training.tasks import task_remark
from vidnas.workflows.clips import open_clips
from vidnas.workflows.listener import Listener
from vidnas.workflows.outputs import require_free
from vidnas.workflows.request import TrainRequest

_DEFAULT_EPOCHS = 60.0
_CHECKPOINT = "training.checkpoint"


@dataclass(frozen=True)
class TrainResult:
    """What a training run came to."""

    folder: Path
    """Of the model; `vidnas.load` reads it."""
    model: Model
    epochs: float
    seconds: float


def train_clips(
    clips: Path | str,
    architecture: str,
    *,
    listener: Listener | None = None,
    **settings: Any,
) -> TrainResult:
    """Train an architecture in full, test it on unseen clips and save it: what `vidnas train` does.

    The same call resumes a training run that was stopped, and loses at most a minute.

    Args:
        clips: a folder of class folders, a CSV, or the annotations of a published data set.
        architecture: published name, architecture JSON file, model or study folder.
        listener: is told how the training run goes.
        settings: fields of `TrainRequest`, such as `out="model"` and `train_time="10m"`; the
            defaults are those of the command.

    Raises:
        UserError: the clips, the architecture, the folder or a setting cannot be used, or the
            training run diverged.
    """
    asked = {"clips": clips, "architecture": architecture, **settings}
    return run(TrainRequest.model_validate(asked), listener or Listener())


def run(request: TrainRequest, listener: Listener) -> TrainResult:
    """Train what was requested.

    Raises:
        UserError: the clips, the architecture, the folder or a setting cannot be used, or the
            training run diverged.
    """
    require_free(request.out)
    dataset = load_dataset(
        request.clips, seed=request.seed, format=request.format, video_folder=request.video_folder
    )
    settings = TrainingSettings.full(
        epochs=request.epochs or (None if request.train_time_s else _DEFAULT_EPOCHS),
        budget_s=request.train_time_s,
        flip=request.flip,
        class_weights=request.class_weights,
    )
    threads = request.threads or idle_cores()
    torch.set_num_threads(threads)
    listener.say(f"Training on {threads} thread(s).")
    architecture = with_genes(resolve_architecture(request.architecture), request.genes)
    cost = affordable_cost(architecture, len(dataset.classes))
    modalities = {spec.modality for spec in architecture.inputs}
    checkpoint = request.out / _CHECKPOINT
    resumes = "flow" in modalities and checkpoint.exists()
    cache = open_clips(
        dataset,
        listener,
        size_px=max(spec.size_px for spec in architecture.inputs),
        modalities=modalities,
        flow_method=trained_clips(checkpoint).flow_method if resumes else None,
        cache_bytes=request.cache_size_bytes,
    )
    task = task_of(cache, request.class_weights)
    for split in JUDGED:  # not after hours of training
        require_labels(cache, split, task)
    if remark := task_remark(cache, request.class_weights):
        listener.remark(remark)
    torch.manual_seed(request.seed)
    network = create_network(architecture, len(cache.classes))
    listener.say(f"{format_cost(cost)} per clip.")
    try:
        report = train(
            network,
            cache,
            settings,
            seed=request.seed,
            device=request.device,
            checkpoint=checkpoint,
            on_epoch=listener.trained,
        )
    except NotFinite as error:
        checkpoint.unlink(missing_ok=True)
        raise UserError(
            f"The training of {request.architecture} diverged: {error} Try another --seed, or a "
            "smaller network."
        ) from error
    test = evaluate(
        network,
        cache,
        "test",
        task=task,
        clips_per_video=request.clips_per_video,
        device=request.device,
    )
    time_use = measure_time_use(
        network,
        cache,
        "test",
        clips_per_video=request.clips_per_video,
        rng=np.random.default_rng(request.seed),
        task=task,
        device=request.device,
    )
    if time_use and (warning := time_use.warning(test.headline_share)):
        listener.remark(warning)
    card = ModelCard(
        epochs=report.epochs,
        validation=report.validation,
        test=test,
        time_use=time_use,
        cost=cost,
        training_runs=(
            TrainingRun(settings=settings, seed=request.seed, clips=cache.settings(modalities)),
        ),
        data=cache.fingerprint,
        typical_frames=cache.typical_frames,
        clips_per_video=request.clips_per_video,
        multi_label=cache.multi_label,
    )
    model = Model(network.cpu(), cache.classes, card, SeenVideos.of(cache))
    save_model(model, request.out)
    checkpoint.unlink(missing_ok=True)
    return TrainResult(request.out, model, report.epochs, report.seconds)


def with_genes(architecture: Architecture, assignments: Sequence[str]) -> Architecture:
    """Return the architecture with some of its genes replaced, such as `frames=8`.

    Raises:
        UserError: an assignment names no gene, or the architecture is invalid with it.
    """
    genes: dict[str, Any] = json.loads(architecture.to_json())
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or name not in genes or name == "family":
            known = ", ".join(gene for gene in genes if gene != "family")
            raise UserError(
                f"--gene {assignment} changes no gene; write GENE=VALUE with one of {known}."
            )
        genes[name] = text
        with suppress(json.JSONDecodeError):  # what is not JSON is taken as text
            genes[name] = json.loads(text)
    return architecture_from_json(json.dumps(genes))
