"""`vidnas draw`: an architecture as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vidnas.cli.console import results
from vidnas.families import diagram_of


def command(
    architecture: Annotated[
        str,
        typer.Argument(help="Published name, architecture JSON file, or model or study folder."),
    ],
    out: Annotated[
        Path | None, typer.Option(help="The .svg or .png to write; NAME.svg if unset.")
    ] = None,
) -> None:
    """Draw an architecture as an SVG or PNG picture.

    Example: [cyan]vidnas draw tvn1 --out tvn1.png[/]
    """
    from vidnas.deploy import resolve_architecture, resolve_connection_weights
    from vidnas.report.drawing import write_picture

    diagram = diagram_of(resolve_architecture(architecture))
    weighted = diagram.weighted(resolve_connection_weights(architecture))
    # The folder's name even where it is given as "." or "..".
    name = Path(architecture).resolve().name.removesuffix(".json")
    path = out or Path(f"{name}.svg")
    write_picture(weighted.model_copy(update={"title": name}), path)
    results.print(str(path), soft_wrap=True, markup=False)
