"""How well a saved model classifies labelled clips that it has not seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import compress
from pathlib import Path

from vidnas.core import UserError
from vidnas.core.text import counted
from vidnas.data.cache import ClipCache
from vidnas.data.datasets import Dataset
from vidnas.data.labelled import file_of, load_labelled
from vidnas.data.splits import Split
from vidnas.deploy import Model, load_model
from vidnas.deploy.seen_videos import SeenVideos
from vidnas.training import AnyMetrics, evaluate
from vidnas.workflows.clips import open_clips
from vidnas.workflows.listener import Listener


@dataclass(frozen=True)
class Evaluated:
    """How well a model classifies clips, and which clips these were."""

    classes: tuple[str, ...]
    """Of the model."""
    metrics: AnyMetrics
    split: Split | None
    """The given split that was measured; None for all clips, where none was to choose."""
    trained: int
    """Number of videos that are left out because the model was trained on them."""
    validated: int
    """Number of videos that are left out because they chose the model."""


@dataclass(frozen=True)
class Unseen:
    """Labelled clips that a model has not seen, all in the split `test` of their cache."""

    cache: ClipCache
    split: Split | None
    """The given split that they are of; None for all clips, where none was to choose."""
    trained: int
    """Number of videos that are left out because the model was trained on them."""
    validated: int
    """Number of videos that are left out because they chose the model."""


def evaluate_model(
    model: Path,
    clips: Path,
    listener: Listener,
    *,
    format: str | None = None,
    video_folder: Path | None = None,
    split: Split | None = None,
    clips_per_video: int | None = None,
    device: str,
) -> Evaluated:
    """Measure a model on labelled clips, without those that it was trained on or chosen by.

    Args:
        model: folder of a model or of a study.
        clips: labelled clips of one or more of the model's classes.
        listener: is told of the decoding, and of what is left out.
        format: of the clips; None to recognise it.
        video_folder: where the videos are that annotations name; None to look beside them.
        split: which clips, see `open_unseen`.
        clips_per_video: evenly spaced clips per video; None for as many as the model looks at.
        device: "cpu", "cuda", "cuda:1".

    Raises:
        UserError: the model or the clips cannot be used, the model does not know their classes, or
            it has seen all of them.
    """
    loaded = load_model(model)
    unseen = open_unseen(
        loaded, model, clips, listener, format=format, video_folder=video_folder, split=split
    )
    if loaded.seen is not None:
        contents = unseen.cache.contents
        chose = sum(file_of(content) in loaded.seen.validated for content in contents)
        if chose:  # they were asked for
            listener.remark(
                f"{chose} of {len(contents)} videos chose the model, so that its accuracy on them "
                "is too high; leave out --split val to measure it on others."
            )
    metrics = evaluate(
        loaded.network,
        unseen.cache,
        "test",
        task=loaded.card.task,
        clips_per_video=clips_per_video or loaded.card.clips_per_video,
        squares=loaded.card.squares,
        device=device,
    )
    return Evaluated(loaded.classes, metrics, unseen.split, unseen.trained, unseen.validated)


def open_unseen(
    loaded: Model,
    model: Path,
    clips: Path,
    listener: Listener,
    *,
    format: str | None = None,
    video_folder: Path | None = None,
    split: Split | None = None,
) -> Unseen:
    """Open labelled clips without those that a model was trained on or chosen by.

    Videos are recognised by their content, wherever they lie and however splits are drawn.

    Args:
        loaded: the model.
        model: its folder, for messages.
        clips: labelled clips of one or more of the model's classes.
        listener: is told of the decoding, and of what is left out.
        format: of the clips; None to recognise it.
        video_folder: where the videos are that annotations name; None to look beside them.
        split: which clips, see `load_labelled`; those of the validation split that chose the model
            are left out unless this asks for that split.

    Raises:
        UserError: the clips cannot be used, the model does not know their classes, or it has seen
            all of them.
    """
    labelled, given = load_labelled(
        clips,
        loaded.classes,
        split,
        multi_label=loaded.card.multi_label,
        format=format,
        video_folder=video_folder,
    )
    if loaded.seen is None:
        listener.remark(
            f"{model} does not say which videos it was trained on, because an older version wrote "
            "it: if these are among them, the accuracy is too high."
        )
    seen = loaded.seen or SeenVideos(frozenset(), frozenset())
    kept, trained, validated = _unseen(labelled, seen, split, is_given=given is not None)
    of = f"of {len(labelled.videos)} videos"
    left_out = (
        f"{counted(trained + validated, f'{of} is', f'{of} are')} left out, because the model was "
        f"trained on {trained} and chosen by {validated} of them"
    )
    if not kept.videos and not (trained or validated):
        raise UserError(
            f"{clips} gives no split {split}, and none of its videos is of the model's own; give "
            "the clips that it was trained with."
        )
    if not kept.videos:
        raise UserError(f"{clips}: {left_out}; give clips that it has not seen.")
    if trained or validated:
        listener.remark(f"{left_out}.")
    inputs = loaded.architecture.inputs
    cache = open_clips(
        kept,
        listener,
        size_px=loaded.contract.stored_px,
        modalities={spec.modality for spec in inputs},
        flow_method=loaded.card.flow_method,
        rate_fps=loaded.card.rate_fps,
    )
    return Unseen(cache, given, trained, validated)


def _unseen(
    dataset: Dataset, seen: SeenVideos, split: Split | None, *, is_given: bool
) -> tuple[Dataset, int, int]:
    """Return the videos that do not flatter the model, and how many trained and chose it.

    Where the clips do not have the split, the model's own is theirs.
    """
    files = [file_of(content) for content in dataset.contents()]
    flattering = frozenset() if split == "val" else seen.validated - seen.trained
    out = seen.trained | flattering
    kept = [file not in out for file in files]
    if not is_given and split in ("train", "val"):
        own = seen.trained if split == "train" else seen.validated
        kept = [keep and file in own for keep, file in zip(kept, files, strict=True)]
    videos = tuple(compress(dataset.videos, kept))
    counts = [sum(file in which for file in files) for which in (seen.trained, flattering)]
    return replace(dataset, videos=videos), counts[0], counts[1]
