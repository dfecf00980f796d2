"""`vidnas predict`: what a model sees in videos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from pydantic import PositiveInt

from vidnas.cli.console import Json, show, show_json
from vidnas.workflows.options import Model, Request


class PredictRequest(Request):
    """What `vidnas predict` is asked for."""

    model: Model
    videos: Annotated[tuple[Path, ...], Parameter(metavar="VIDEO")]
    """Video files."""
    top: PositiveInt = 5
    """Number of classes to show."""


def command(request: PredictRequest, *, json: Json = False) -> None:
    """Name the most likely classes of videos.

    For example:

        vidnas predict study clip.mp4 --top 3
    """
    from vidnas.deploy import load_model, predict_video

    model = load_model(request.model)
    found = {str(video): predict_video(model, video)[: request.top] for video in request.videos}
    if json:
        show_json({video: dict(classes) for video, classes in found.items()})
        return
    for video, classes in found.items():
        show((video, "bold"))
        for name, probability in classes:
            show(f"  {probability:6.1%}  {name}")
