"""The study's page: one static HTML file that needs no other file and no network."""

from __future__ import annotations

from html import escape
from pathlib import Path

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from vidnas.core.files import replacing
from vidnas.evolution.trial import Trial
from vidnas.families import diagram_of
from vidnas.report import plots, sections
from vidnas.report.ensemble import ensemble_section
from vidnas.report.study import StudyReport
from vidnas.report.style import CSS, SCRIPT


def write_report(report: StudyReport, path: Path) -> Path:
    """Write the page of a study, finished or not; an earlier page is replaced whole."""
    with replacing(path) as temporary:
        temporary.write_text(render(report), encoding="utf-8")
    return path


def render(report: StudyReport) -> str:
    """The page as HTML; every text that comes from files is escaped."""
    title = escape(report.title)
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{title} · vidnas</title>\n<style>{CSS}</style>",
            f"<script>{get_plotlyjs()}</script>\n</head>\n<body>\n<main>",
            f"<header><h1>{title}</h1>{sections.summary(report)}</header>",
            sections.headline(report),
            *_search(report),
            *_network(report),
            *_confusion(report),
            *(ensemble_section(report.ensemble, report.folder) if report.ensemble else []),
            "<h2>The best candidates</h2>",
            sections.best_candidates(report),
            "<h2>What was refused or failed</h2>",
            sections.refusals(report),
            *([sections.usage(report)] if report.winner else []),
            "<h2>What was asked</h2>",
            sections.settings(report),
            f"</main>\n<script>{SCRIPT}</script>\n</body>\n</html>\n",
        ]
    )


def _search(report: StudyReport) -> list[str]:
    if not report.of_status("ok"):
        return []
    return [
        "<h2>Accuracy against cost</h2>",
        sections.cost_note(report),
        _plot(plots.accuracy_against_cost(report), "cost"),
        "<h2>Progress of the search</h2>",
        _plot(plots.progress(report), "progress"),
    ]


def _network(report: StudyReport) -> list[str]:
    best = report.best(1)
    if report.winner:
        architecture, number, heading = (
            report.winner.architecture, report.winner.number, "The chosen network"
        )  # fmt: skip
    elif best:
        architecture, number, heading = best[0].architecture, best[0].number, "The best so far"
    else:
        return []
    line = report.lineage(number)
    weights = line[-1].evaluation.connection_weights if line else {}
    diagram = diagram_of(architecture).weighted(weights)
    return [
        f"<h2>{heading}</h2>",
        '<p class="quiet">Edge weights are those of the brief training.</p>' if weights else "",
        sections.drawing(diagram.model_copy(update={"title": f"Trial {number}"})),
        "<h3>Where it comes from</h3>",
        sections.lineage(report, number),
        *_edge_weights(line),
    ]


def _edge_weights(line: list[Trial]) -> list[str]:
    if not any(trial.evaluation.connection_weights for trial in line[:-1]):
        return []
    return [
        "<h3>How the edge weights moved along this lineage</h3>",
        '<p class="quiet">What each edge (row) had learned at the end of the brief training of '
        "each trial (column); blank where its network had no such edge, 1 where it was "
        "the only one into its node. By default, guided mutation keeps the edges above 0.5 (blue) "
        "and replaces those at or below it (orange).</p>",
        _plot(plots.edge_weights(line), "weights"),
    ]


def _confusion(report: StudyReport) -> list[str]:
    if report.winner is None or report.winner.test is None:
        return []
    test = report.winner.test
    return [
        "<h2>Confusion on the test split</h2>",
        f'<p class="quiet">Clips of each true class (row) by what they were taken for. '
        f"Mean class accuracy {test.mean_class:.1%}.</p>",
        _plot(plots.confusion(test, report.classes), "confusion"),
    ]


def _plot(figure: go.Figure, name: str) -> str:
    html: str = figure.to_html(
        full_html=False,
        include_plotlyjs=False,
        div_id=f"plot-{name}",
        config={"displayModeBar": False, "responsive": True},
    )
    return f'<div class="plot">{html}</div>'
