"""The classes of a test split: what was taken for what, and how well each is found."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from vidnas.report.plots.style import BLUE, ORANGE, label, styled
from vidnas.training import Metrics, MultiLabelMetrics

_BLUES = ((0.0, "rgba(61, 127, 193, 0)"), (1.0, "rgba(61, 127, 193, 0.75)"))
"""From none to all, on either paper."""
_MOST_LABELLED_CLASSES = 40


def confusion(metrics: Metrics, classes: Sequence[str]) -> go.Figure:
    """Plot the clips of each true class by predicted class; colour is the share of the class."""
    counts = metrics.confusion
    names = [label(name) for name in classes]
    labelled = len(names) <= _MOST_LABELLED_CLASSES
    figure = go.Figure(
        go.Heatmap(
            z=[[count / max(sum(row), 1) for count in row] for row in counts],
            text=[[str(count) if count else "" for count in row] for row in counts],
            colorscale=_BLUES, zmin=0, zmax=1, showscale=False, xgap=2 * labelled,
            ygap=2 * labelled, texttemplate="%{text}" if labelled else None,
            # Both names are those of the axes.
            hovertemplate="%{z:.0%} of <b>%{y}</b><br>predicted as <b>%{x}</b><extra></extra>",
        )
    )  # fmt: skip
    # Positions with names as tick texts: two classes of one name stay two rows.
    ticks = {"tickmode": "array", "tickvals": list(range(len(names))), "ticktext": names}
    font = {"size": 12 if labelled else 8}
    figure.update_xaxes(
        title="Predicted class", tickangle=-40, showgrid=False, tickfont=font, **ticks
    )
    figure.update_yaxes(
        title="True class", autorange="reversed", showgrid=False, tickfont=font, **ticks
    )
    cell_px = 34 if labelled else 10
    return styled(figure, height=max(340, min(cell_px * len(names) + 170, 1100)))


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
