"""`vidnas predict`: what a model sees in videos."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from pydantic import Field, PositiveInt

from vidnas.cli.console import Json, json_entries, results, say, show
from vidnas.cli.live import Display
from vidnas.core import UserError
from vidnas.workflows.options import Model, Request

_TOP = 5


class PredictRequest(Request):
    """What `vidnas predict` is asked for."""

    model: Model
    videos: Annotated[tuple[Path, ...], Parameter(metavar="VIDEO")]
    """Video files, folders of them at any depth, or patterns such as "clips/**/*.mp4"."""
    top: PositiveInt | None = None
    """Number of classes to show; 5 by default, or all that reach --threshold where a video may show
    several."""
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Least score of a class that is shown, where a video may show several."""


def command(request: PredictRequest, *, json: Json = False) -> None:
    """Name the most likely classes of videos, or all that each shows, as soon as they are known.

    Videos that cannot be read are named on standard error, and the rest goes on; the
    exit code is then 2. With --json, one object with an entry per video.

    For example:

        vidnas predict study clip.mp4 more-clips/ --top 3
    """
    from vidnas.data.reading import VideoError
    from vidnas.data.video_files import find_videos
    from vidnas.deploy import load_model, predict_video
    from vidnas.training import NotFinite

    model, files = load_model(request.model), find_videos(request.videos)
    failed: list[Exception] = []

    def fail(error: Exception) -> None:
        failed.append(error)
        if total > 1:
            say(("Failed: ", "red"), str(error))

    total = len(files.paths) + len(files.problems)
    printing = json_entries() if json else nullcontext(_show)
    with Display() as display, printing as tell:
        for problem in files.problems:
            fail(problem)
        for done, video in enumerate(files.paths, start=1):
            try:
                found = predict_video(model, video)
            except VideoError as error:
                fail(error)
            except NotFinite as error:
                fail(UserError(f"{video}: {error}"))
            else:
                tell(str(video), dict(_chosen(found, request, model.card.multi_label)))
            if total > 1 and not results.is_terminal:  # there, the results show how far it is
                display.progress("Predicting", done, len(files.paths))
    if failed:
        if total == 1:
            raise failed[0]
        raise UserError(f"{len(failed)} of {total} videos have no prediction; see above for why.")


def _show(video: str, scores: Mapping[str, float]) -> None:
    show((video, "bold"))
    if not scores:
        show("  no class reaches the threshold")
    for name, score in scores.items():
        show(f"  {score:6.1%}  {name}")


def _chosen(
    scores: list[tuple[str, float]], request: PredictRequest, multi_label: bool
) -> list[tuple[str, float]]:
    if request.top is None and multi_label:
        return [(name, score) for name, score in scores if score >= request.threshold]
    return scores[: request.top or _TOP]
