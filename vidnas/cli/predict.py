"""`vidnas predict`: what a model sees in videos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from vidnas.cli.console import JsonOption, print_json, results


def command(
    model: Annotated[Path, typer.Argument(help="Folder of a model or of a study.")],
    videos: Annotated[list[Path], typer.Argument(metavar="VIDEO...", help="Video files.")],
    top: Annotated[int, typer.Option(min=1, help="How many classes to show.")] = 5,
    as_json: JsonOption = False,
) -> None:
    """Name the most likely classes of videos.

    Example: [cyan]vidnas predict runs/lips clip.mp4 --top 3[/]
    """
    from vidnas.deploy import load_model, predict_video

    loaded = load_model(model)
    found = {str(video): predict_video(loaded, video)[:top] for video in videos}
    if as_json:
        print_json({video: dict(classes) for video, classes in found.items()})
        return
    for video, classes in found.items():
        results.print(f"[bold]{escape(video)}[/]")
        for name, probability in classes:
            results.print(f"  {probability:6.1%}  {escape(name)}")
