"""`vidnas export`: a model as one ONNX file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from vidnas.cli.console import JsonOption, print_json, results
from vidnas.core.quantities import format_bytes


def command(
    model: Annotated[Path, typer.Argument(help="Folder of a model or of a study.")],
    out: Annotated[Path, typer.Argument(metavar="OUT.onnx", help="The file to write.")],
    as_json: JsonOption = False,
) -> None:
    """Export a model to ONNX and compare it with the network it came from.

    Example: [cyan]vidnas export runs/lips lips.onnx[/]
    """
    from vidnas.deploy import export_model, load_model

    check = export_model(load_model(model), out)
    if as_json:
        print_json({"path": str(out), **asdict(check)})
        return
    results.print(
        f"Wrote {escape(str(out))}, {format_bytes(out.stat().st_size)}. Largest difference of a "
        f"logit from torch: {check.largest_difference:.1e} ({check.relative_difference:.1e} of the "
        "largest logit)."
    )
