"""`vidnas ensemble`: several of a search's networks that vote."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from vidnas.cli.console import JsonOption, messages, print_json, results
from vidnas.core.durations import parse_duration
from vidnas.core.quantities import format_count

if TYPE_CHECKING:
    from vidnas.core import Cost
    from vidnas.report.study import EnsembleReport


def command(
    studies: Annotated[
        list[Path],
        typer.Argument(metavar="STUDY...", help="Finished studies of the same clips, RGB or flow."),
    ],
    *,
    top: Annotated[int, typer.Option(min=1, help="Votes; a network may have several.")] = 4,
    pool: Annotated[
        int | None,
        typer.Option(min=2, help="Networks to train in full and choose from; 2 x top if unset."),
    ] = None,
    train_time: Annotated[
        str | None, typer.Option(help="Training of each; that of the study's finalists if unset.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Worker processes of one thread; all cores if unset.")
    ] = None,
    clips: Annotated[
        Path | None, typer.Option(help="The clips of the studies, where they have moved.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the model; STUDY/ensemble if unset."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Put the best networks of one or more studies together, for accuracy and disagreement.

    Selects greedily on the validation clips, a network as often as it helps; averages logits;
    tests once. The result is a model like any other. After Ctrl-C, the same command goes on.

    Example: [cyan]vidnas ensemble study flow-study --top 4[/]
    """
    from vidnas.workflows.ensemble import make_ensemble

    different = list({folder.resolve(): folder for folder in studies}.values())
    folder = out or different[0] / "ensemble"
    report = make_ensemble(
        different,
        top=top,
        pool=pool or 2 * top,
        train_s=parse_duration(train_time) if train_time else None,
        workers=workers,
        clips=clips,
        out=folder,
    )
    if as_json:
        print_json(
            {"model": str(folder), "verdict": report.verdict, **report.model_dump(mode="json")}
        )
        return
    results.print(_members(report))
    results.print(_steps(report))
    results.print(_disagreement(report))
    results.print(f"[bold]{escape(report.verdict)}[/]", soft_wrap=True)
    results.print(f"model  {escape(str(folder))}", soft_wrap=True)
    messages.print(f"Try it: vidnas predict {escape(str(folder))} VIDEO", soft_wrap=True)


def _members(report: EnsembleReport) -> Table:
    table = Table("Network")
    for title in ("Votes", "Validation", "Test", "Parameters", "MACs", "p50 ms"):
        table.add_column(title, justify="right")
    for member in report.members:
        accuracies = f"{member.validation_top1:.1%}", f"{member.test_top1:.1%}"
        table.add_row(escape(member.name), str(member.weight), *accuracies, *_figures(member.cost))
    table.add_section()
    votes, reached = str(len(report.steps)), f"{report.steps[-1].validation_top1:.1%}"
    table.add_row("ensemble", votes, reached, f"{report.test.top1:.1%}", *_figures(report.cost))
    alone = report.by_accuracy
    table.add_row(
        f"the {len(alone.names)} most accurate: {escape(', '.join(alone.names))}",
        str(len(alone.names)),
        f"{alone.validation_top1:.1%}",
        f"{alone.test_top1:.1%}",
    )
    return table


def _figures(cost: Cost) -> tuple[str, str, str]:
    timed = f"{cost.latency.p50_ms:.2f}" if cost.latency else ""
    return format_count(cost.parameters), format_count(cost.macs), timed


def _steps(report: EnsembleReport) -> Table:
    table = Table("Step", "Adds")
    for title in ("Validation", "Cross-entropy"):
        table.add_column(title, justify="right")
    for number, step in enumerate(report.steps, 1):
        name = escape(report.members[step.member].name)
        table.add_row(
            str(number), name, f"{step.validation_top1:.1%}", f"{step.validation_loss:.3f}"
        )
    return table


def _disagreement(report: EnsembleReport) -> Table:
    names = [escape(member.name) for member in report.members]
    table = Table("Disagreement", *names)
    for row, (name, shares) in enumerate(zip(names, report.disagreement, strict=True)):
        cells = ("" if at == row else f"{share:.1%}" for at, share in enumerate(shares))
        table.add_row(name, *cells)
    return table
