"""`vidnas eval`: how well a model classifies clips."""

from __future__ import annotations

from typing import Literal

from vidnas.cli.console import Json, show_json
from vidnas.cli.live import Display
from vidnas.cli.scores import show_metrics
from vidnas.core.clip import CLIPS_PER_VIDEO
from vidnas.workflows.options import (
    Clips,
    ClipsPerVideo,
    Device,
    Format,
    Model,
    Request,
    Seed,
    VideoFolder,
)


class EvalRequest(Request):
    """What `vidnas eval` is asked for."""

    model: Model
    clips: Clips
    format: Format = None
    video_folder: VideoFolder = None
    split: Literal["train", "val", "test"] = "test"
    """Split of the clips to measure on."""
    clips_per_video: ClipsPerVideo = CLIPS_PER_VIDEO
    seed: Seed = 0
    device: Device = "cpu"


def command(request: EvalRequest, *, json: Json = False) -> None:
    """Measure a model on labelled clips: accuracies and the confusion matrix.

    For example:

        vidnas eval study clips/ --split val
    """
    from vidnas.workflows.evaluate import evaluate_model

    with Display() as display:
        classes, metrics = evaluate_model(
            request.model,
            request.clips,
            display,
            format=request.format,
            video_folder=request.video_folder,
            split=request.split,
            clips_per_video=request.clips_per_video,
            seed=request.seed,
            device=request.device,
        )
    if json:
        show_json({"classes": classes, "split": request.split, **metrics.model_dump()})
        return
    show_metrics(metrics, classes, f"{request.model} on {request.clips} ({request.split})")
