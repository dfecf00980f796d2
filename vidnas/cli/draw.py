"""`vidnas draw`: an architecture as a picture."""

from __future__ import annotations

from pathlib import Path

from vidnas.cli.console import show
from vidnas.workflows.options import ArchitectureName, Request


class DrawRequest(Request):
    """What `vidnas draw` is asked for."""

    architecture: ArchitectureName
    out: Path | None = None
    """The .svg or .png to write; NAME.svg by default."""


def command(request: DrawRequest) -> None:
    """Draw an architecture as an SVG or PNG picture.

    For example:

        vidnas draw tvn1 --out tvn1.png
    """
    from vidnas.deploy import resolve_architecture, resolve_connection_weights
    from vidnas.families import diagram_of
    from vidnas.report.drawing import write_picture

    diagram = diagram_of(resolve_architecture(request.architecture))
    weighted = diagram.weighted(resolve_connection_weights(request.architecture))
    # The folder's name even where it is given as "." or "..".
    name = Path(request.architecture).resolve().name.removesuffix(".json")
    path = request.out or Path(f"{name}.svg")
    write_picture(weighted.model_copy(update={"title": name}), path)
    show(str(path))
