"""The ladder over the time of the search: who reached which rung, and when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from vidnas.evolution.trial import Trial
from vidnas.report.plots.style import (
    GREY,
    ORANGE,
    RED,
    RING,
    candidates,
    rung_colours,
    styled,
)
from vidnas.report.study import StudyReport

_FITNESS_AXES = {
    ("likelihood",): ("Probability of the right class, validation", ".0%"),
    ("balanced_likelihood",): ("Probability of the right class, validation, by class", ".0%"),
    ("top1",): ("Validation accuracy", ".0%"),
    ("mean_class",): ("Validation mean class accuracy", ".0%"),
    ("map",): ("Validation mAP", ".0%"),
    ("top1", "top5"): ("Validation top-1 + top-5", ".2f"),
}


def ladder(report: StudyReport) -> go.Figure:
    """Plot the fitness of every candidate on each of its rungs by search time: a line joins the
    rungs of one that climbed."""
    climbs: dict[int, list[Trial]] = {}
    for trial in report.history:
        if trial.evaluation.status == "ok":
            climbs.setdefault(trial.number, []).append(trial)
    chosen = [one for number in report.answers for one in (*climbs.pop(number, []), None)]
    figure = go.Figure()

    def add(name: str, shown: Sequence[Trial | None], **style: Any) -> None:
        figure.add_scatter(
            x=[one and one.elapsed_s / 60 for one in shown],
            y=[one and one.fitness for one in shown],
            name=name, **style,
        )  # fmt: skip

    grey = {"color": GREY, "width": 1.2, "shape": "hv"}
    orange = {"color": ORANGE, "width": 2.5, "shape": "hv"}
    others = [one for climb in climbs.values() for one in (*climb, None)]  # None ends a line
    add("climbs", others, mode="lines", line=grey, hoverinfo="skip")
    add("chosen", chosen, mode="lines", line=orange, hoverinfo="skip")
    ok = [trial for trial in report.history if trial.evaluation.status == "ok"]
    for rung, colour in enumerate(rung_colours(report)):
        there = [trial for trial in ok if trial.rung == rung]
        marker = {"color": colour, "size": 8, "line": RING}
        add(f"rung {rung}", there, mode="markers", marker=marker, **candidates(there))
    designs = [trial for trial in ok if trial.proposal.design]
    ring = {"color": RED, "size": 14, "symbol": "diamond-open", "line": {"width": 1.5}}
    add("design", designs, mode="markers", marker=ring, hoverinfo="skip")
    figure.update_xaxes(title="Minutes of search", rangemode="tozero")
    title, tickformat = _FITNESS_AXES.get(report.fitness, ("Fitness", ""))
    figure.update_yaxes(title=title, tickformat=tickformat)
    return styled(figure, height=400)
