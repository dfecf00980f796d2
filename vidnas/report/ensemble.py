"""The page's section on an ensemble: its members, what each adds, and how far they disagree."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from html import escape

from vidnas.core import Cost
from vidnas.families import diagram_of
from vidnas.report.sections import card, drawing, milliseconds, short, table
from vidnas.report.study import EnsembleMember, EnsembleReport

_BLUE = "47, 111, 176"


def ensemble_section(report: EnsembleReport, folder: str) -> list[str]:
    """The section as HTML; `folder` is the study's, in which the ensemble lies."""
    command = f"vidnas predict {shlex.quote(folder + '/ensemble')} clip.mp4"
    return [
        "<h2>Ensemble</h2>",
        f"<p><b>{escape(report.verdict)}</b> It was selected from {report.pool} networks by their "
        "validation clips: each step adds the network, chosen before or not, with which the mean "
        "of the logits is most accurate.</p>",
        _cards(report),
        _members(report),
        "<h3>What each step adds</h3>",
        _steps(report),
        "<h3>How often two members disagree</h3>",
        '<p class="quiet">Share of the validation clips that they predict differently.</p>',
        _disagreement(report),
        *(_details(member) for member in report.members),
        f"<pre>{escape(command)}</pre>",
    ]


def _cards(report: EnsembleReport) -> str:
    gain = 100 * (report.test.top1 - report.best_member.test_top1)
    latency = report.cost.latency
    times = ""
    best_latency = report.best_member.cost.latency
    if latency and best_latency:
        times = f"{latency.p50_ms / best_latency.p50_ms:.1f} times that of the best member"
    cards = [
        card(
            "Test accuracy of the ensemble",
            f"{report.test.top1:.1%}",
            f"top-1 on {report.test.clips} clips",
            kind=" first",
        ),
        card("Over its best member", f"{gain:+.1f} points", escape(report.best_member.name)),
        card("Latency a clip", milliseconds(report.cost) or "none", times),
    ]
    return f'<div class="cards">{"".join(cards)}</div>'


def _members(report: EnsembleReport) -> str:
    rows = [
        (
            escape(member.name),
            _kind(member),
            f"{member.weight}x",
            f"{member.validation_top1:.1%}",
            f"{member.test_top1:.1%}",
            *_cost(member.cost),
        )
        for member in report.members
    ]
    votes, last = len(report.steps), report.steps[-1]
    rows.append(
        (
            "<b>Ensemble</b>",
            "mean of logits",
            f"{votes}x",
            f"{last.validation_top1:.1%}",
            f"<b>{report.test.top1:.1%}</b>",
            *_cost(report.cost),
        )
    )
    alone = report.by_accuracy
    rows.append(
        (
            f"The {len(alone.names)} most accurate",
            f'<span class="quiet">for comparison: {escape(", ".join(alone.names))}</span>',
            f"{len(alone.names)}x",
            f"{alone.validation_top1:.1%}",
            f"{alone.test_top1:.1%}",
            "", "", "",
        )
    )  # fmt: skip
    names = ("", "Network", "Votes", "Validation", "Test", "Latency", "Parameters", "Multiply-adds")
    chosen = [False] * len(report.members) + [True]
    return table(names, rows, numbers=range(2, len(names)), chosen=chosen)


def _kind(member: EnsembleMember) -> str:
    clips = "; ".join(map(str, member.architecture.inputs))
    return f'{escape(diagram_of(member.architecture).title)} <span class="quiet">{clips}</span>'


def _cost(cost: Cost) -> tuple[str, str, str]:
    return milliseconds(cost), short(cost.parameters), short(cost.macs)


def _steps(report: EnsembleReport) -> str:
    rows, before = [], None
    for number, step in enumerate(report.steps, 1):
        name, accuracy = escape(report.members[step.member].name), f"{step.validation_top1:.1%}"
        change = "" if before is None else f"{100 * (step.validation_top1 - before):+.1f} points"
        rows.append((str(number), name, accuracy, change, f"{step.validation_loss:.3f}"))
        before = step.validation_top1
    names = ("Step", "Adds", "Validation", "Change", "Cross-entropy")
    return table(names, rows, numbers=range(2, 5))


def _disagreement(report: EnsembleReport) -> str:
    names = [escape(member.name) for member in report.members]
    head = "".join(f"<th>{name}</th>" for name in names)
    body = "".join(
        f"<tr><th>{name}</th>{''.join(_heat(shares, row))}</tr>"
        for row, (name, shares) in enumerate(zip(names, report.disagreement, strict=True))
    )
    return (
        f'<div class="table"><table class="heat"><thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _heat(shares: Sequence[float], row: int) -> list[str]:
    return [
        "<td></td>"
        if column == row
        else f'<td style="background: rgba({_BLUE}, {0.75 * share:.2f})">{share:.1%}</td>'
        for column, share in enumerate(shares)
    ]


def _details(member: EnsembleMember) -> str:
    name = escape(member.name)
    diagram = diagram_of(member.architecture).model_copy(update={"title": member.name})
    return f"<details><summary>Drawing of {name}</summary>{drawing(diagram)}</details>"
