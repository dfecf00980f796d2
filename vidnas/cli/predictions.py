"""What `vidnas predict` is asked for, and how it shows what it found, of files and live."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from pydantic import BeforeValidator, Field, PositiveInt

from vidnas.cli.console import say, show
from vidnas.core.clip import SMOOTHING_S, THRESHOLD
from vidnas.core.durations import format_moment
from vidnas.workflows.options import Model, Request, SecondsFromZero

if TYPE_CHECKING:
    from vidnas.deploy import Model as Trained

_TOP = 5

Source = Annotated[str, BeforeValidator(str)]
"""Text, since an address is no path."""


class PredictRequest(Request):
    """What `vidnas predict` is asked for."""

    model: Model
    videos: Annotated[tuple[Source, ...], Parameter(metavar="VIDEO")]
    """Video files, folders of them at any depth or of one video's frames, or patterns such as
    "clips/**/*.mp4"; or one camera, such as 0, or stream, such as rtsp://host/path."""
    top: PositiveInt | None = None
    """Number of classes to show; 5 by default, or all that reach --threshold where a video may show
    several. With --json all classes are shown, unless one of the two is given."""
    threshold: Annotated[float, Field(ge=0, le=1)] = THRESHOLD
    """Least score of a class that is shown, where a video may show several, and of an event."""
    smoothing_s: SecondsFromZero = SMOOTHING_S
    """Time over which scores are averaged, of videos that have a timeline, as all have with --out,
    and of streams; 0 leaves them as they are."""
    out: Path | None = None
    """Folder for the scores of every file along its time: NAME.csv, NAME.json, and the events in it
    as subtitles, NAME.srt."""


def warn_of_guessing(model: Trained) -> None:
    """Say on standard error that a model may be guessing, where its test does not tell."""
    from vidnas.training.chance import chance_warning

    test = model.card.test
    if test is not None and (warning := chance_warning(test, model.classes)):
        say((warning, "bold yellow"))


def show_event(event: Mapping[str, Any]) -> None:
    """Print an event: from when to when, and what."""
    span = f"{format_moment(event['start_s'])} to {format_moment(event['end_s'])}"
    show(f"  {span:>20}  {event['score']:6.1%}  {event['name']}")


def chosen(
    scores: list[tuple[str, float]], request: PredictRequest, multi_label: bool, *, json: bool
) -> dict[str, float]:
    """Return the classes to show with their scores, of all, the most likely first; programs get all
    where nobody asked for fewer."""
    if request.top is not None:
        return dict(scores[: request.top])
    if multi_label and not (json and "threshold" not in request.model_fields_set):
        return {name: score for name, score in scores if score >= request.threshold}
    return dict(scores if json else scores[:_TOP])
