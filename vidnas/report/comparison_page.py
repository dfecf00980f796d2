"""The page that compares studies: one static HTML file, like that of a study."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from vidnas.core.files import replacing
from vidnas.core.quantities import format_evaluation
from vidnas.evolution.trial import Trial
from vidnas.report.comparison import Comparison, Spread
from vidnas.report.page import fill_template
from vidnas.report.plots.style import cost_axis, label, styled

_COLOURS = ("#3d7fc1", "#d9822b", "#3d9a5d", "#b565b5", "#c9403a", "#44a3b2", "#9a7b5c", "#8b94a3")
"""Of the groups, the first again after the last."""


def write_comparison(comparison: Comparison, path: Path) -> None:
    """Write the page; an earlier one is replaced whole."""
    figures = {
        "evaluations": curves(comparison, over_time=False),
        "time": curves(comparison, over_time=True),
        "front": fronts(comparison),
    }
    text = fill_template("comparison.html", comparison=comparison, figures=figures)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def curves(comparison: Comparison, *, over_time: bool) -> go.Figure:
    """Plot the best so far of every group: the mean of its studies between least and most."""
    figure = go.Figure()
    for place, group in enumerate(comparison.groups):
        found = comparison.spread(group, over_time=over_time)
        colour, name = _COLOURS[place % len(_COLOURS)], label(group.name)
        xs = [one.x / 60 if over_time else one.x for one in found]
        if len(group.studies) > 1:
            figure.add_scatter(
                x=[*xs, *xs[::-1]], y=_outline(found), fill="toself", fillcolor=colour,
                opacity=0.15, line={"width": 0}, hoverinfo="skip", showlegend=False, name=name,
            )  # fmt: skip
        figure.add_scatter(
            x=xs, y=[one.mean for one in found], mode="lines", name=name,
            line={"color": colour, "width": 2.5, "shape": "hv"},
            text=[_hover(one, len(group.studies), comparison) for one in found],
            hovertemplate="<b>%{fullData.name}</b><br>%{text}<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(title="Minutes of search" if over_time else "Candidates trained")
    return _styled(figure, comparison)


def fronts(comparison: Comparison) -> go.Figure:
    """Plot the candidates of every group that no cheaper one equals, and the others behind them."""
    figure = go.Figure()
    for place, group in enumerate(comparison.groups):
        colour, name = _COLOURS[place % len(_COLOURS)], label(group.name)
        behind = {"color": colour, "opacity": 0.25, "size": 6}
        figure.add_scatter(
            **_points(comparison, comparison.priced(group)), mode="markers", marker=behind,
            name=name, legendgroup=name, showlegend=False,
        )  # fmt: skip
        figure.add_scatter(
            **_points(comparison, comparison.front(group)), mode="lines+markers",
            line={"color": colour, "width": 2, "shape": "hv"}, marker={"size": 9},
            name=name, legendgroup=name,
        )  # fmt: skip
    costs = [cost for group in comparison.groups for cost, _ in comparison.priced(group)]
    title = "Latency, ms (logarithmic)" if comparison.is_timed else "MACs (logarithmic)"
    tickformat = "~g" if comparison.is_timed else "~s"
    figure.update_xaxes(title=title, tickformat=tickformat, **cost_axis(costs))
    return _styled(figure, comparison)


def _points(comparison: Comparison, priced: Sequence[tuple[float, Trial]]) -> dict[str, Any]:
    return {
        "x": [cost for cost, _ in priced],
        "y": [comparison.value_of(trial) for _, trial in priced],
        "text": [
            f"trial {one.number}: {label(format_evaluation(one.evaluation))}" for _, one in priced
        ],
        "hovertemplate": "<b>%{fullData.name}</b><br>%{text}<extra></extra>",
    }


def _outline(found: Sequence[Spread]) -> list[float]:
    return [*(one.most for one in found), *(one.least for one in reversed(found))]


def _hover(one: Spread, studies: int, comparison: Comparison) -> str:
    shown = "{:.1%}".format if comparison.headline else "{:.4g}".format
    if studies == 1:
        return shown(one.mean)
    return f"{shown(one.mean)}, {shown(one.least)} to {shown(one.most)} in {studies} studies"


def _styled(figure: go.Figure, comparison: Comparison) -> go.Figure:
    figure.update_yaxes(
        title=comparison.value_title, tickformat=".0%" if comparison.headline else ""
    )
    return styled(figure, height=420)
