"""The classes of a test split: what was taken for what, and how well each is found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import plotly.graph_objects as go

from vidnas.report.plots.style import BLUE, ORANGE, label, styled
from vidnas.training import Metrics, MultiLabelMetrics

_BLUES = ((0.0, "rgba(61, 127, 193, 0)"), (1.0, "rgba(61, 127, 193, 0.75)"))
"""From none to all, on either paper."""
_MOST_LABELLED_CLASSES = 40
_MOST_TICKS = 60
_INVISIBLE = "&#8203;"


def confusion(metrics: Metrics, classes: Sequence[str]) -> go.Figure:
    """Plot the clips of each true class by predicted class; colour is the share of the class."""
    counts = metrics.confusion
    names = _unique([label(name) for name in classes])
    labelled = len(names) <= _MOST_LABELLED_CLASSES
    figure = go.Figure(
        go.Heatmap(
            x=names, y=names,
            z=[[count / max(sum(row), 1) for count in row] for row in counts],
            text=[[str(count) if count else "" for count in row] for row in counts],
            colorscale=_BLUES, zmin=0, zmax=1, showscale=False, xgap=2 * labelled,
            ygap=2 * labelled, texttemplate="%{text}" if labelled else None,
            hovertemplate="%{z:.0%} of <b>%{y}</b><br>predicted as <b>%{x}</b><extra></extra>",
        )
    )  # fmt: skip
    # Where names would lie on each other some are left out; a cell that is pointed at tells both.
    ticks = {"type": "category", "showgrid": False}
    ticks |= {"dtick": 1} if labelled else {"nticks": _MOST_TICKS, "tickfont": {"size": 9}}
    figure.update_xaxes(title="Predicted class", tickangle=-40, **ticks)
    figure.update_yaxes(title="True class", autorange="reversed", **ticks)
    cell_px = 34 if labelled else 10
    return styled(figure, height=max(340, min(cell_px * len(names) + 170, 1100)))


def _unique(names: Sequence[str]) -> list[str]:
    """Return the names as categories: two classes of one name stay two, and look alike."""
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        found.append(name + _INVISIBLE * seen[name])
        seen[name] += 1
    return found


def precision(metrics: MultiLabelMetrics, classes: Sequence[str]) -> go.Figure:
    """Plot the average precision of each class, with a mark at the share of clips that show it."""
    names = [label(name) for name in classes]
    places = list(range(len(names)))
    figure = go.Figure(
        go.Bar(
            x=metrics.average_precision, y=places, orientation="h", marker={"color": BLUE},
            customdata=list(zip(names, metrics.positives, strict=True)), name="average precision",
            hovertemplate="<b>%{customdata[0]}</b><br>"
            "%{x:.1%}, %{customdata[1]} clips<extra></extra>",
        )
    )  # fmt: skip
    figure.add_scatter(
        x=[count / metrics.clips for count in metrics.positives], y=places, mode="markers",
        marker={"color": ORANGE, "size": 12, "symbol": "line-ns-open", "line": {"width": 2}},
        name="guessing", hoverinfo="skip",
    )  # fmt: skip
    figure.update_xaxes(title="Average precision", tickformat=".0%", range=[0, 1])
    figure.update_yaxes(
        autorange="reversed", showgrid=False, tickmode="array", tickvals=places, ticktext=names
    )
    row_px = 26 if len(names) <= _MOST_LABELLED_CLASSES else 16
    return styled(figure, height=max(260, row_px * len(names) + 120))
