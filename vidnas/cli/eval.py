"""`vidnas eval`: how well a model classifies clips."""

from __future__ import annotations

from typing import Literal

from vidnas.cli.console import Json, show_json
from vidnas.cli.labelled_request import LabelledRequest
from vidnas.cli.live import Display
from vidnas.cli.scores import show_metrics


class EvalRequest(LabelledRequest):
    """What `vidnas eval` is asked for."""

    split: Literal["train", "val", "test"] | None = None
    """Split of the clips to measure on, where they have any; test by default, and all clips
    where none is given."""


def command(request: EvalRequest, *, json: Json = False) -> None:
    """Measure a model on labelled clips: accuracies and the confusion matrix.

    Clips of some of its classes will do. Those that the model was trained on or chosen by
    are recognised by their content, left out and counted; only --split val asks for those
    that chose it, on which its accuracy is too high.

    For example:

        vidnas eval study new-clips/
    """
    from vidnas.workflows.evaluate import evaluate_model

    with Display() as display:
        found = evaluate_model(
            request.model,
            request.clips,
            display,
            format=request.format,
            video_folder=request.video_folder,
            split=request.split,
            clips_per_video=request.clips_per_video,
            device=request.device,
        )
    if json:
        from vidnas.training.chance import beside_guessing

        left_out = {"trained": found.trained, "validated": found.validated}
        record = {"classes": found.classes, "split": found.split, "left_out": left_out}
        show_json({**record, **found.metrics.model_dump(), **beside_guessing(found.metrics)})
        return
    title = f"{request.model} on {request.clips} ({found.split or request.split or 'all clips'})"
    show_metrics(found.metrics, found.classes, title)
