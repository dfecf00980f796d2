"""`vidnas ensemble`: several networks of studies that vote."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from vidnas.cli.console import Json, say, show, show_json, show_table
from vidnas.cli.live import Display
from vidnas.cli.scores import show_headline
from vidnas.core.quantities import format_count, format_number
from vidnas.workflows.request import EnsembleRequest

if TYPE_CHECKING:
    from vidnas.core import Cost
    from vidnas.report.study import EnsembleReport


def command(request: EnsembleRequest, *, json: Json = False) -> None:
    """Put the best networks of one or more studies together, for accuracy and disagreement.

    Selects greedily on the validation clips, a network as often as it helps, averages
    the logits, and tests once. The result is a model like any other. The same command
    resumes after Ctrl-C.

    For example:

        vidnas ensemble study flow-study --votes 4
    """
    from vidnas.evolution.config import StudyConfig
    from vidnas.evolution.study import CONFIG_NAME
    from vidnas.workflows.ensemble import run

    with Display() as display:
        result = run(request, display)
    report = result.report
    if json:
        record = {"model": str(result.folder), "verdict": report.verdict}
        show_json({**record, **report.model_dump(mode="json")})
        return
    figures = ("Votes", "Val", "Test", "Params", "MACs", "p50 ms")
    show_table("Network", figures=figures, rows=_members(report))
    show()
    show_table("Adds", figures=("Step", "Val", "Cross-entropy"), rows=_steps(report))
    show()
    names = [member.name for member in report.members]
    show_table("Disagreement", *names, rows=_disagreement(report, names))
    show((report.verdict, "bold"))
    show_headline(report.test, StudyConfig.read(request.studies[0] / CONFIG_NAME).classes)
    show(f"model  {result.folder}")
    say(f"Try it: vidnas predict {result.folder} VIDEO")


def _members(report: EnsembleReport) -> Iterator[tuple[str, ...]]:
    for member in report.members:
        accuracies = f"{member.validation_share:.1%}", f"{member.test_share:.1%}"
        yield (member.name, str(member.weight), *accuracies, *_figures(member.cost))
    yield ()
    votes, reached = str(len(report.steps)), f"{report.steps[-1].validation_share:.1%}"
    yield ("ensemble", votes, reached, f"{report.test.headline_share:.1%}", *_figures(report.cost))
    alone = report.by_accuracy
    yield (
        f"the {len(alone.names)} most accurate: {', '.join(alone.names)}",
        str(len(alone.names)),
        f"{alone.validation_share:.1%}",
        f"{alone.test_share:.1%}",
    )


def _figures(cost: Cost) -> tuple[str, str, str]:
    timed = format_number(cost.latency.p50_ms) if cost.latency else ""
    return format_count(cost.parameters), format_count(cost.macs), timed


def _steps(report: EnsembleReport) -> Iterator[tuple[str, ...]]:
    for number, step in enumerate(report.steps, 1):
        reached = f"{step.validation_share:.1%}", f"{step.validation_loss:.3f}"
        yield (report.members[step.member].name, str(number), *reached)


def _disagreement(report: EnsembleReport, names: list[str]) -> Iterator[tuple[str, ...]]:
    for row, (name, shares) in enumerate(zip(names, report.disagreement, strict=True)):
        yield (name, *("" if at == row else f"{share:.1%}" for at, share in enumerate(shares)))
