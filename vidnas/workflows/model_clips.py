"""The clips of a model: those that it was trained on, chosen by, and has not seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from vidnas.core import UserError
from vidnas.data.cache import ClipCache
from vidnas.data.datasets import Dataset, load_dataset
from vidnas.data.labelled import file_of
from vidnas.data.splits import Split
from vidnas.deploy.model import Model
from vidnas.deploy.seen_videos import SeenVideos
from vidnas.workflows.clips import open_clips
from vidnas.workflows.listener import Listener
from vidnas.workflows.request import REQUEST_FILE, SearchRequest


def open_model_clips(
    model: Model, folder: Path, clips: Path | None, listener: Listener
) -> ClipCache | None:
    """Open labelled clips as a model saw them, in its own splits: train, val, and test for all
    that it has not seen.

    Args:
        model: the model.
        folder: it comes from, of a model, also one within its study, or of a study.
        clips: what `load_dataset` reads; None for those of the study, if it is one.
        listener: is told of the decoding, and why there are no clips.

    Returns:
        None where no clips are given and the folder knows none, or those that it knows cannot be
        used: models travel without the clips of their studies.

    Raises:
        UserError: the clips that are given cannot be used, or have other classes than the model.
    """
    study = _study_of(folder)
    asked = SearchRequest.read(study) if study is not None else None
    if clips is not None:
        return _open(model, load_dataset(clips, seed=asked.seed if asked else 0), listener)
    if asked is None:
        listener.remark("No labelled clips are known to ask it on; name some with --clips.")
        return None
    try:
        dataset = load_dataset(
            asked.clips, seed=asked.seed, format=asked.format, video_folder=asked.video_folder
        )
        return _open(model, dataset, listener)
    except UserError as error:
        listener.remark(
            "The clips of the study cannot be used, so the network is not asked on any; name them "
            f"with --clips. {error}"
        )
        return None


def _study_of(folder: Path) -> Path | None:
    """Return the study that a folder is or lies in, as `best` and `models/trial-17` do."""
    folder = folder.resolve()
    places = folder, *folder.parents[:2]
    return next((place for place in places if (place / REQUEST_FILE).is_file()), None)


def _open(model: Model, dataset: Dataset, listener: Listener) -> ClipCache:
    if dataset.classes != model.classes:
        raise UserError(
            f"{dataset.source} has other classes than the model; give the clips that it was "
            "trained on."
        )
    if model.seen is not None and dataset.fingerprint() != model.card.data:
        dataset = _in_splits_of(model.seen, dataset)
    card, inputs = model.card, model.architecture.inputs
    return open_clips(
        dataset,
        listener,
        size_px=model.contract.stored_px,
        modalities={spec.modality for spec in inputs},
        flow_method=card.flow_method,
        rate_fps=card.rate_fps,
    )


def _in_splits_of(seen: SeenVideos, dataset: Dataset) -> Dataset:
    def split_of(content: str) -> Split:
        file = file_of(content)
        return "train" if file in seen.trained else "val" if file in seen.validated else "test"

    videos = tuple(
        replace(video, split=split_of(content))
        for video, content in zip(dataset.videos, dataset.contents(), strict=True)
    )
    return replace(dataset, videos=videos)
