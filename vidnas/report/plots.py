"""The plots of a study: accuracy against cost, progress, edge weights, the confusion matrix."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

import plotly.graph_objects as go
from markupsafe import escape
from plotly.subplots import make_subplots

from vidnas.core.quantities import format_evaluation
from vidnas.evolution.trial import Trial
from vidnas.report.study import StudyReport
from vidnas.report.text import printable
from vidnas.training import Metrics

_INK, _QUIET, _LINE, _GREY = "#1d2430", "#5b6472", "#e4e7ec", "#a3abb8"
_BLUE, _ORANGE, _RED = "#2f6fb0", "#d9822b", "#b3261e"
_BLUES = ((0.0, "#ffffff"), (0.5, "#7fb0dc"), (1.0, "#1f5a96"))
_MOST_LABELLED_CLASSES = 40
_MOST_WRITTEN_TRIALS = 12
_LOG_TICKS = [digit * 10.0**power for power in range(-2, 12) for digit in (1, 2, 5)]


def accuracy_against_cost(report: StudyReport) -> go.Figure:
    """Plot every candidate by its cost; the rejected ones in a strip below, the limit as a line."""
    ok = report.of_status("ok")
    by_latency = any(_latency_ms(one) is not None for one in ok)
    cost_of = _latency_ms if by_latency else _macs
    trained = _by_cost(ok, cost_of)
    rejected = _by_cost(report.of_status("rejected"), cost_of)
    chosen = [one for one in trained if report.winner and one[0].number == report.winner.trial]
    figure = make_subplots(
        rows=2, cols=1, shared_xaxes=True, row_heights=[0.87, 0.13], vertical_spacing=0.03
    )

    def add(row: int, name: str, shown: Sequence[tuple[Trial, float]], **style: Any) -> None:
        figure.add_scatter(
            x=[cost for _, cost in shown],
            y=[trial.fitness if row == 1 else 0.0 for trial, _ in shown],
            text=[_hover(trial) for trial, _ in shown],
            hovertemplate="%{text}<extra></extra>", name=name, row=row, col=1, **style,
        )  # fmt: skip

    add(
        1, "best at its cost", _front(trained), mode="lines", opacity=0.5, hoverinfo="skip",
        line={"color": _BLUE, "width": 1.5, "shape": "hv"},
    )  # fmt: skip
    blue = {"color": _BLUE, "size": 9, "opacity": 0.7}
    add(1, "candidate", trained, mode="markers", marker=blue)
    star = {"color": _ORANGE, "size": 17, "symbol": "star"}
    add(1, "chosen", chosen, mode="markers", marker=star)
    bar = {"color": _GREY, "size": 13, "symbol": "line-ns-open", "line": {"width": 1.5}}
    add(2, "rejected, not trained", rejected, mode="markers", marker=bar)
    limit = report.limits.latency_ms if by_latency else report.limits.macs
    if limit is not None:
        dashed = {"color": _RED, "width": 1.5, "dash": "dash"}
        figure.add_vline(x=limit, line=dashed)
        figure.add_scatter(
            x=[None], y=[None], mode="lines", name="limit", line=dashed, row=1, col=1
        )
    title = "Latency, ms (logarithmic)" if by_latency else "MACs (logarithmic)"
    figure.update_xaxes(type="log", tickmode="array", tickvals=_LOG_TICKS)
    figure.update_xaxes(tickformat="~g" if by_latency else "~s")
    figure.update_xaxes(title=title, row=2, col=1)
    figure.update_yaxes(**_fitness_axis(report), row=1, col=1)
    figure.update_yaxes(visible=False, range=[-1, 1], fixedrange=True, row=2, col=1)
    return _styled(figure, height=470)


def progress(report: StudyReport) -> go.Figure:
    """Plot each trained candidate and the best so far, by evaluations and by minutes."""
    ok = report.of_status("ok")
    fitness = [one.fitness for one in ok]
    best = list(accumulate(fitness, max))
    figure = make_subplots(rows=1, cols=2, shared_yaxes=True, horizontal_spacing=0.04)
    clocks = (
        ("Candidates trained", list(range(1, len(ok) + 1))),
        ("Minutes", [one.elapsed_s / 60 for one in ok]),
    )
    for column, (title, clock) in enumerate(clocks, start=1):
        figure.add_scatter(
            x=clock, y=fitness, mode="markers", name="candidate",
            marker={"color": _BLUE, "size": 7, "opacity": 0.5}, text=[_hover(one) for one in ok],
            hovertemplate="%{text}<extra></extra>", showlegend=column == 1, row=1, col=column,
        )  # fmt: skip
        figure.add_scatter(
            x=clock, y=best, mode="lines", name="best so far", hoverinfo="skip",
            line={"color": _ORANGE, "width": 2.5, "shape": "hv"},
            showlegend=column == 1, row=1, col=column,
        )  # fmt: skip
        figure.update_xaxes(title=title, rangemode="tozero", row=1, col=column)
    axis = _fitness_axis(report)
    figure.update_yaxes(**axis, row=1, col=1)
    figure.update_yaxes(tickformat=axis["tickformat"], row=1, col=2)
    return _styled(figure, height=360)


def confusion(metrics: Metrics, classes: Sequence[str]) -> go.Figure:
    """Plot the clips of each true class by predicted class; colour is the share of the class."""
    counts = metrics.confusion
    names = [_label(name) for name in classes]
    labelled = len(names) <= _MOST_LABELLED_CLASSES
    figure = go.Figure(
        go.Heatmap(
            z=[[count / max(sum(row), 1) for count in row] for row in counts],
            text=[[str(count) if count else "" for count in row] for row in counts],
            customdata=[[[true, taken] for taken in names] for true in names],
            colorscale=_BLUES, zmin=0, zmax=1, showscale=False, xgap=2, ygap=2,
            texttemplate="%{text}" if labelled else None,
            hovertemplate="%{z:.0%} of <b>%{customdata[0]}</b><br>"
            "predicted as <b>%{customdata[1]}</b><extra></extra>",
        )
    )  # fmt: skip
    # Positions with names as tick texts: two classes of one name stay two rows.
    ticks = {"tickmode": "array", "tickvals": list(range(len(names))), "ticktext": names}
    figure.update_xaxes(title="Predicted class", tickangle=-40, showgrid=False, **ticks)
    figure.update_yaxes(title="True class", autorange="reversed", showgrid=False, **ticks)
    cell_px = 34 if labelled else 10
    return _styled(figure, height=max(340, min(cell_px * len(names) + 170, 1100)))


def edge_weights(line: Sequence[Trial], neutral: float) -> go.Figure:
    """Plot the learned weight of each edge (row) in each trial of a lineage (column).

    Weights below the neutral one are orange, those above it blue.
    """
    orange_to_blue = ((0.0, _ORANGE), (neutral, "#e1e5ea"), (1.0, "#1f5a96"))
    learned = [one.evaluation.connection_weights for one in line]
    edges = sorted({edge for weights in learned for edge in weights}, key=_numbers_by_value)
    edges.sort(key=lambda edge: next(at for at, weights in enumerate(learned) if edge in weights))
    names = [_label(edge) for edge in edges]
    ends = [[_label(end) for end in edge.partition("->")[::2]] for edge in edges]
    figure = go.Figure(
        go.Heatmap(
            z=[[weights.get(edge) for weights in learned] for edge in edges],
            customdata=[[[*pair, one.number] for one in line] for pair in ends],
            colorscale=orange_to_blue, zmin=0, zmax=1, xgap=2, ygap=1, hoverongaps=False,
            colorbar={"title": {"text": "Weight", "side": "top"}, "thickness": 12,
                      "len": 200, "lenmode": "pixels", "y": 1, "yanchor": "top"},
            texttemplate="%{z:.2f}" if len(line) <= _MOST_WRITTEN_TRIALS else None,
            textfont={"size": 10},
            hovertemplate="from <b>%{customdata[0]}</b> to <b>%{customdata[1]}</b><br>"
            "weight %{z:.3f} in trial %{customdata[2]}<extra></extra>",
        )
    )  # fmt: skip
    figure.update_xaxes(
        title="Trial, the random start first", side="top", showgrid=False,
        tickmode="array", tickvals=list(range(len(line))),
        ticktext=[str(one.number) for one in line],
    )  # fmt: skip
    figure.update_yaxes(
        title="Edge", autorange="reversed", showgrid=False,
        tickmode="array", tickvals=list(range(len(names))), ticktext=names, tickfont={"size": 11},
    )  # fmt: skip
    return _styled(figure, height=max(260, 17 * len(edges) + 100))


def _numbers_by_value(name: str) -> list[tuple[str, int]]:
    """Return a sort key by which b9 comes before b10."""
    return [(text, int(number or 0)) for text, number in re.findall(r"(\D*)(\d*)", name)]


def _by_cost(
    trials: Sequence[Trial], cost_of: Callable[[Trial], float | None]
) -> list[tuple[Trial, float]]:
    """Return the trials whose cost is known, with that cost."""
    costs = ((trial, cost_of(trial)) for trial in trials)
    return [(trial, cost) for trial, cost in costs if cost is not None]


def _latency_ms(trial: Trial) -> float | None:
    cost = trial.evaluation.cost
    return cost.latency.p50_ms if cost and cost.latency else None


def _macs(trial: Trial) -> float | None:
    cost = trial.evaluation.cost
    return cost.macs if cost else None


def _front(trained: Sequence[tuple[Trial, float]]) -> list[tuple[Trial, float]]:
    """Return the trials that no cheaper one equals, by rising cost."""
    front: list[tuple[Trial, float]] = []
    for trial, cost in sorted(trained, key=lambda one: (one[1], -one[0].fitness)):
        if not front or trial.fitness > front[-1][0].fitness:
            front.append((trial, cost))
    return front


def _hover(trial: Trial) -> str:
    parent = trial.proposal.parent
    origin = f"child of {parent}" if parent is not None else "random start"
    lines = [format_evaluation(trial.evaluation), origin, *trial.proposal.mutations]
    return "<br>".join([f"<b>trial {trial.number}</b>", *map(_label, lines)])


def _label(text: str) -> str:
    """Return text that Plotly shows as it is, although it reads HTML in every label."""
    return str(escape(printable(text)))


_FITNESS_AXES = {
    ("likelihood",): ("Probability of the right class, brief training", ".0%"),
    ("top1",): ("Validation accuracy, brief training", ".0%"),
    ("top1", "top5"): ("Validation top-1 + top-5, brief training", ".2f"),
}


def _fitness_axis(report: StudyReport) -> dict[str, str]:
    title, tickformat = _FITNESS_AXES.get(report.fitness, ("Fitness", ""))
    return {"title": title, "tickformat": tickformat}


def _styled(figure: go.Figure, *, height: int) -> go.Figure:
    figure.update_layout(
        template="none", height=height, paper_bgcolor="#fff", plot_bgcolor="#fff",
        font={"family": "Inter, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif", "size": 13,
              "color": _INK},
        margin={"l": 64, "r": 16, "t": 34, "b": 52},
        legend={"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom",
                "font": {"color": _QUIET}},
        hoverlabel={"bgcolor": "#fff", "bordercolor": _LINE, "align": "left"},
    )  # fmt: skip
    figure.update_xaxes(
        gridcolor=_LINE, zeroline=False, automargin=True, title_standoff=12, title_font_size=13
    )
    figure.update_yaxes(
        gridcolor=_LINE, zeroline=False, automargin=True, title_standoff=12, title_font_size=13
    )
    return figure
