"""`vidnas predict`: what a model sees in videos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from pydantic import Field, PositiveInt

from vidnas.cli.console import Json, show, show_json
from vidnas.workflows.options import Model, Request

_TOP = 5


class PredictRequest(Request):
    """What `vidnas predict` is asked for."""

    model: Model
    videos: Annotated[tuple[Path, ...], Parameter(metavar="VIDEO")]
    """Video files."""
    top: PositiveInt | None = None
    """Number of classes to show; 5 by default, or all that reach --threshold where a video may show
    several."""
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Least score of a class that is shown, where a video may show several."""


def command(request: PredictRequest, *, json: Json = False) -> None:
    """Name the most likely classes of videos, or all that each shows.

    For example:

        vidnas predict study clip.mp4 --top 3
    """
    from vidnas.deploy import load_model, predict_video

    model = load_model(request.model)
    found = {
        str(video): _shown(predict_video(model, video), request, model.card.multi_label)
        for video in request.videos
    }
    if json:
        show_json({video: dict(classes) for video, classes in found.items()})
        return
    for video, classes in found.items():
        show((video, "bold"))
        if not classes:
            show(f"  no class reaches {request.threshold:.1%}")
        for name, probability in classes:
            show(f"  {probability:6.1%}  {name}")


def _shown(
    scores: list[tuple[str, float]], request: PredictRequest, multi_label: bool
) -> list[tuple[str, float]]:
    if request.top is None and multi_label:
        return [(name, score) for name, score in scores if score >= request.threshold]
    return scores[: request.top or _TOP]
