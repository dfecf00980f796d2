"""`vidnas data`: check labelled clips, or generate some."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from vidnas.cli.console import JsonOption, messages, print_json, results
from vidnas.core import UserError

if TYPE_CHECKING:
    from vidnas.data.check import CheckReport

app = typer.Typer(help="Check labelled clips, or generate some to try things on.")


@app.command("check")
def check(
    clips: Annotated[Path, typer.Argument(help="A folder of class folders, or a CSV.")],
    seed: Annotated[int, typer.Option(help="For splits that are not given.")] = 0,
    json: JsonOption = False,
) -> None:
    """Decode every video; name those that are unreadable, empty, too short or duplicates.

    Exits with 2 when what is left cannot be trained on.

    Example: vidnas data check clips/
    """
    from vidnas.data.check import check_dataset
    from vidnas.data.datasets import load_dataset

    dataset = load_dataset(clips, seed=seed)
    with _progress("Checking") as progress:
        task = progress.add_task("", total=len(dataset.videos))
        report = check_dataset(
            dataset, lambda done, total: progress.update(task, completed=done, total=total)
        )
    if json:
        print_json(report.model_dump(mode="json") | {"usable": report.usable})
    else:
        _print(report)
    if not report.usable:
        raise UserError(
            f"{clips}: after leaving out the unusable videos, a split is empty or a class has "
            "nothing to train on; replace the videos that are named."
        )


@app.command("demo")
def demo(
    out: Annotated[Path, typer.Argument(help="Folder to make; it must not exist.")],
    classes: Annotated[int, typer.Option(min=2, max=12, help="How many classes.")] = 8,
    clips_per_class: Annotated[int, typer.Option(min=3, help="How many clips of each.")] = 60,
    size: Annotated[int, typer.Option(help="Width and height in pixels.")] = 64,
    seed: Annotated[int, typer.Option(help="The same seed gives the same clips.")] = 0,
) -> None:
    """Generate clips whose classes differ only in motion, as mp4 files in class folders.

    Example: vidnas data demo demo-clips
    """
    from vidnas.data.demo import MOTIONS, write_clips

    names = list(MOTIONS)[:classes]
    with _progress("Generating") as progress:
        task = progress.add_task("", total=None)
        write_clips(
            out,
            classes=names,
            clips_per_class=clips_per_class,
            size_px=size,
            seed=seed,
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    total = len(names) * clips_per_class
    messages.print(f"{total} clips in {escape(str(out))}: {', '.join(names)}.", soft_wrap=True)


def _progress(title: str) -> Progress:
    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=messages, transient=True)


def _print(report: CheckReport) -> None:
    for remark in report.remarks:
        messages.print(f"[yellow]Note:[/] {escape(remark)}", soft_wrap=True)
    table = Table("class", *report.counts)
    for label, name in enumerate(report.classes):
        table.add_row(escape(name), *(str(counts[label]) for counts in report.counts.values()))
    table.add_section()
    table.add_row("all", *(str(sum(counts)) for counts in report.counts.values()))
    results.print(table)
    results.print(
        f"Frames a video: {report.frames_min} to {report.frames_max}, "
        f"median {report.frames_median}."
    )
    for problem in report.problems:
        colour = "red" if problem.kind == "unusable" else "yellow"
        line = f"[{colour}]{problem.kind}[/] {escape(problem.path)}: {escape(problem.reason)}"
        results.print(line, soft_wrap=True)
    if not report.problems:
        results.print("[green]No problems found.[/]")
