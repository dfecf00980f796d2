"""`vidnas export`: a model as one file for another runtime."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from vidnas.cli.console import Json, show, show_json
from vidnas.cli.live import Display
from vidnas.core import UserError
from vidnas.core.quantities import format_bytes
from vidnas.workflows.options import Model, Request

if TYPE_CHECKING:
    from vidnas.data.cache import ClipCache
    from vidnas.deploy.model import Model as TrainedModel


class ExportRequest(Request):
    """What `vidnas export` is asked for."""

    model: Model
    file: Annotated[Path, Parameter(metavar="FILE")]
    """The file to write; its suffix names the format: .onnx, .xml for OpenVINO, .pt2 for
    torch.export, .tflite for LiteRT."""
    precision: Literal["float32", "int8"] = "float32"
    """Numbers to compute in; int8 is calibrated on the training clips, and keeps the layers in
    float32 that cost more than one point of accuracy together."""
    clips: Path | None = None
    """Labelled clips: those that the model was trained on, for int8 and to check the file; the
    study's by default."""
    streaming: bool = False
    """The streaming step, as ONNX: it takes the newest frame and what earlier ones left, so that
    every frame is computed once."""


def command(request: ExportRequest, *, json: Json = False) -> None:
    """Export a model and compare the file, on real clips, with the network it came from.

    For example:

        vidnas export study lips.xml --precision int8

        vidnas export study step.onnx --streaming

    Raises:
        UserError: a streaming step is asked for in int8.
    """
    from vidnas.deploy import load_model
    from vidnas.deploy.exporting import export_file
    from vidnas.workflows.model_clips import open_model_clips

    model = load_model(request.model)
    with Display() as display:
        cache = open_model_clips(model, request.model, request.clips, display)
        if request.streaming:
            _export_stream(model, request, cache, json=json)
            return
        if request.precision == "int8":
            display.say("Quantising, and asking what it costs ...")
        done = export_file(model, request.file, precision=request.precision, cache=cache)
    if json:
        show_json(done.record)
        return
    show(f"Wrote {done.path}, {format_bytes(done.size_bytes)}: {done.format.name}.")
    show(
        "Largest difference of a logit from torch, in float32 on random clips: "
        f"{done.check.largest_difference:.1e} ({done.check.relative_difference:.1e} of the largest "
        "logit)."
    )
    if done.layers is not None:
        show(f"{done.layers}.")
    for check in done.checks:
        show(f"The file on {check}.")


def _export_stream(
    model: TrainedModel, request: ExportRequest, cache: ClipCache | None, *, json: bool
) -> None:
    from vidnas.deploy.stream_export import export_stream

    if request.precision != "float32":
        raise UserError(
            "A streaming step is exported in float32; leave out --precision or --streaming."
        )
    done = export_stream(model, request.file, cache=cache)
    if json:
        show_json(done.record)
        return
    how = done.contract
    show(
        f"Wrote {done.path}, {format_bytes(done.size_bytes)}: a streaming step, ONNX. It moves on "
        f"by {how.hop_frames} frame(s), keeps {format_bytes(done.state_bytes)} from step to step, "
        f"and answers from step {how.warmup_steps + 1} on."
    )
    show(
        f"Largest difference of a logit from torch on a random video: "
        f"{done.check.largest_difference:.1e} ({done.check.relative_difference:.1e} of the largest "
        "logit)."
    )
    if done.real is not None:
        show(f"The file on {done.real}.")
