"""`vidnas calibrate`: a model whose scores can be taken at their word."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator, Field

from vidnas.cli.console import Json, say, show, show_json, show_table
from vidnas.cli.labelled_request import LabelledRequest
from vidnas.cli.live import Display
from vidnas.core.clip import Squares
from vidnas.core.quantities import format_number, format_percent
from vidnas.core.text import counted
from vidnas.workflows.options import ClipsPerVideo

if TYPE_CHECKING:
    from vidnas.workflows.calibrate import CalibratedResult


def _read_number(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isdecimal() else value


class CalibrateRequest(LabelledRequest):
    """What `vidnas calibrate` is asked for."""

    out: Path | None = None
    """Folder to write the new model to; MODEL/calibrated by default."""
    clips_per_video: Annotated[
        ClipsPerVideo | None,
        Field(
            description="Evenly spaced clips per video; their scores are averaged, or the highest "
            "taken where a video may show several classes, and the new model does the same; by "
            "default as many as before."
        ),
    ] = None
    squares: Annotated[Squares | None, BeforeValidator(_read_number)] = None
    """Squares of each clip that the model looks at: the centre, or that and both ends of the longer
    side; by default as many as before."""


def command(request: CalibrateRequest, *, json: Json = False) -> None:
    """Make a model say 80 % where it is right four times out of five.

    One number, the temperature, is chosen on the videos of the validation split, and what
    it changes is measured on those that chose nothing. The result is a model like any
    other, which looks at --clips-per-video clips of each video and --squares of each.

    For example:

        vidnas calibrate study clips/ --clips-per-video 10 --squares 3
    """
    from vidnas.workflows.calibrate import calibrate_model

    with Display() as display:
        found = calibrate_model(
            request.model,
            request.clips,
            display,
            out=request.out,
            clips_per_video=request.clips_per_video,
            squares=request.squares,
            format=request.format,
            video_folder=request.video_folder,
            device=request.device,
        )
    if json:
        test = found.test and found.test.model_dump()
        show_json(
            {
                "model": str(found.folder),
                "temperature": found.temperature,
                "clips_per_video": found.clips_per_video,
                "squares": found.squares,
                "validation": found.validation.model_dump(),
                "test": test,
            }
        )
        return
    figures = ("Clips", "Accuracy", "Loss", "Calibration error")
    show_table("Split", "Scores", figures=figures, rows=_rows(found))
    show(
        (f"temperature {format_number(found.temperature)}", "bold"),
        f", {counted(found.clips_per_video, 'clip')} of each video, "
        f"{counted(found.squares, 'square')} of each clip",
    )
    show(f"model  {found.folder}")
    say(f"Try it: vidnas predict {found.folder} VIDEO")


def _rows(found: CalibratedResult) -> Iterator[tuple[str, ...]]:
    for split, judged in (("validation", found.validation), ("test", found.test)):
        if judged is None:
            continue
        for when, honesty in (("before", judged.before), ("after", judged.after)):
            metrics = honesty.metrics
            yield (
                split,
                when,
                str(metrics.clips),
                f"{format_percent(metrics.headline_share)} {metrics.headline_name}",
                format_number(metrics.loss),
                format_percent(honesty.calibration_error),
            )
