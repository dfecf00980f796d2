"""`vidnas export`: a model as one ONNX file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from vidnas.cli.console import Json, show, show_json
from vidnas.core.quantities import format_bytes
from vidnas.workflows.options import Model, Request


class ExportRequest(Request):
    """What `vidnas export` is asked for."""

    model: Model
    file: Annotated[Path, Parameter(metavar="FILE.onnx")]
    """The file to write."""


def command(request: ExportRequest, *, json: Json = False) -> None:
    """Export a model to ONNX and compare it with the network it came from.

    For example:

        vidnas export study lips.onnx
    """
    from vidnas.deploy import export_model, load_model

    check = export_model(load_model(request.model), request.file)
    if json:
        show_json({"path": str(request.file), **asdict(check)})
        return
    show(
        f"Wrote {request.file}, {format_bytes(request.file.stat().st_size)}. Largest difference "
        f"of a logit from torch: {check.largest_difference:.1e} ({check.relative_difference:.1e} "
        "of the largest logit)."
    )
