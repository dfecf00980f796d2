"""The page that compares studies: one static HTML file, like that of a study."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from vidnas.core.files import replacing
from vidnas.core.quantities import format_evaluation
from vidnas.core.text import escaped
from vidnas.report.comparison import Comparison, Spread
from vidnas.report.page import render_template

_COLOURS = ("#2f6fb0", "#d9822b", "#1f7a3d", "#aa4499", "#b3261e", "#44b3c2", "#7a5c43", "#5b6472")
"""Of the groups, the first again after the last."""
_TICKS = [digit * 10.0**power for power in range(-3, 13) for digit in (1, 2, 5)]


def write_comparison(comparison: Comparison, path: Path) -> None:
    """Write the page; an earlier one is replaced whole."""
    figures = {
        "evaluations": curves(comparison, over_time=False),
        "time": curves(comparison, over_time=True),
        "front": fronts(comparison),
    }
    text = render_template("comparison.html", comparison=comparison, figures=figures)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def curves(comparison: Comparison, *, over_time: bool) -> go.Figure:
    """Plot the best so far of every group: the mean of its studies between least and most."""
    figure = go.Figure()
    for place, group in enumerate(comparison.groups):
        found = comparison.spread(group, over_time=over_time)
        colour, name = _COLOURS[place % len(_COLOURS)], _label(group.name)
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
        colour, name = _COLOURS[place % len(_COLOURS)], _label(group.name)
        trials = [
            (cost, trial)
            for study in group.studies
            for trial in study.ok
            if (cost := comparison.cost_of(trial)) is not None
        ]
        for shown, style in (
            (trials, {"mode": "markers", "marker": {"color": colour, "opacity": 0.25, "size": 6}}),
            (
                comparison.front(group),
                {
                    "mode": "lines+markers",
                    "line": {"color": colour, "width": 2, "shape": "hv"},
                    "marker": {"color": colour, "size": 9},
                },
            ),
        ):
            figure.add_scatter(
                x=[cost for cost, _ in shown],
                y=[comparison.value_of(trial) for _, trial in shown],
                text=[
                    f"trial {trial.number}: {_label(format_evaluation(trial.evaluation))}"
                    for _, trial in shown
                ],
                hovertemplate="<b>%{fullData.name}</b><br>%{text}<extra></extra>",
                name=name, legendgroup=name, showlegend=shown is not trials, **style,
            )  # fmt: skip
    title = "Latency, ms (logarithmic)" if comparison.is_timed else "MACs (logarithmic)"
    figure.update_xaxes(
        type="log", title=title, tickmode="array", tickvals=_TICKS,
        tickformat="~g" if comparison.is_timed else "~s",
    )  # fmt: skip
    return _styled(figure, comparison)


def _outline(found: Sequence[Spread]) -> list[float]:
    return [*(one.most for one in found), *(one.least for one in reversed(found))]


def _hover(one: Spread, studies: int, comparison: Comparison) -> str:
    shown = "{:.1%}".format if comparison.headline else "{:.4g}".format
    if studies == 1:
        return shown(one.mean)
    return f"{shown(one.mean)}, {shown(one.least)} to {shown(one.most)} in {studies} studies"


def _label(text: str) -> str:
    """Return text that Plotly shows as it is: it reads tags, and of entities only a few."""
    return html.escape(escaped(text), quote=False)


def _styled(figure: go.Figure, comparison: Comparison) -> go.Figure:
    axis: dict[str, Any] = {
        "gridcolor": "rgba(128, 136, 150, .25)", "zeroline": False, "automargin": True,
        "title_standoff": 12,
    }  # fmt: skip
    figure.update_layout(
        template="none", height=420, paper_bgcolor="rgba(0, 0, 0, 0)",
        plot_bgcolor="rgba(0, 0, 0, 0)", margin={"l": 64, "r": 16, "t": 34, "b": 52},
        font={"family": "Inter, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif", "size": 13},
        legend={"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom"},
        hoverlabel={"bgcolor": "#ffffff", "font": {"color": "#1d2430"}, "align": "left"},
    )  # fmt: skip
    name = comparison.value_name
    figure.update_xaxes(**axis)
    figure.update_yaxes(
        title=name[0].upper() + name[1:], tickformat=".0%" if comparison.headline else "", **axis
    )
    return figure
