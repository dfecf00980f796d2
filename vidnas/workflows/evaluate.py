"""How well a saved model classifies labelled clips."""

from __future__ import annotations

from pathlib import Path

from vidnas.core import UserError
from vidnas.data.datasets import load_dataset
from vidnas.data.splits import Split
from vidnas.deploy import load_model
from vidnas.training import AnyMetrics, evaluate
from vidnas.workflows.clips import open_clips
from vidnas.workflows.listener import Listener


def evaluate_model(
    model: Path,
    clips: Path,
    listener: Listener,
    *,
    split: Split,
    clips_per_video: int,
    seed: int,
    device: str,
) -> tuple[tuple[str, ...], AnyMetrics]:
    """Measure a model on one split of labelled clips; return its classes and the metrics.

    Args:
        model: folder of a model or of a study.
        clips: a folder of class folders, or a CSV.
        listener: is told of the decoding.
        split: which clips.
        clips_per_video: evenly spaced clips per video, averaged.
        seed: of splits that the data set does not give.
        device: "cpu", "cuda", "cuda:1".

    Raises:
        UserError: the model or the clips cannot be used, or their classes differ.
    """
    dataset = load_dataset(clips, seed=seed)
    loaded = load_model(model)
    inputs = loaded.architecture.inputs
    cache = open_clips(
        dataset,
        listener,
        size_px=max(spec.size_px for spec in inputs),
        modalities={spec.modality for spec in inputs},
        flow_method=loaded.card.flow_method,
        rate_fps=loaded.card.rate_fps,
    )
    if cache.classes != loaded.classes:
        raise UserError(
            f"{clips} has the classes {', '.join(cache.classes)}, but {model} knows "
            f"{', '.join(loaded.classes)}; use clips of the same classes."
        )
    metrics = evaluate(
        loaded.network,
        cache,
        split,
        task=loaded.card.task,
        clips_per_video=clips_per_video,
        device=device,
    )
    return loaded.classes, metrics
