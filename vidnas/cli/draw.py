"""`vidnas draw`: an architecture as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vidnas.cli.console import show
from vidnas.workflows.options import ArchitectureName, Request

if TYPE_CHECKING:
    from vidnas.core import Diagram


class DrawRequest(Request):
    """What `vidnas draw` is asked for."""

    architecture: ArchitectureName
    against: ArchitectureName | None = None
    """Another one, drawn below it; what one has and the other has not is marked."""
    out: Path | None = None
    """The .svg, .png or .pdf to write; NAME.svg by default."""


def command(request: DrawRequest) -> None:
    """Draw an architecture as an SVG, PNG or PDF picture, or two and how they differ.

    For example:

        vidnas draw tvn1 --out tvn1.png
        vidnas draw study --against tvn1
    """
    from vidnas.report.comparing import draw_comparison
    from vidnas.report.drawing import draw_svg, save_picture

    diagram = _diagram(request.architecture)
    svg, name = draw_svg(diagram), diagram.title
    if request.against is not None:
        other = _diagram(request.against)
        svg, name = draw_comparison(diagram, other), f"{name}-against-{other.title}"
    path = request.out or Path(f"{name}.svg")
    save_picture(svg, path)
    show(str(path))


def _diagram(architecture: str) -> Diagram:
    """Return the diagram of an architecture under its name, with what its edges have learned."""
    from vidnas.deploy import resolve_architecture, resolve_connection_weights
    from vidnas.families import diagram_of

    diagram = diagram_of(resolve_architecture(architecture))
    # The folder's name even where it is given as "." or "..".
    name = Path(architecture).resolve().name.removesuffix(".json")
    weighted = diagram.weighted(resolve_connection_weights(architecture))
    return weighted.model_copy(update={"title": name})
